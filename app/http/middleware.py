"""What every request gets, whether or not a route matches: id, log line, metrics, HEAD and OPTIONS."""

import logging
import random
import re
import time
from collections.abc import Mapping
from typing import Any, cast

from litestar import Litestar
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.types import HTTPScope, LifeSpanScope, Message, Receive, Scope, Send
from litestar.utils import normalize_path

from app.http.access_log import AccessLine
from app.http.answer_headers import DATA_POLICY, EVERY_ANSWER, HSTS
from app.http.cross_origin import CrossOrigin, Headers
from app.http.forwarded import TrustedProxies
from app.http.holding import end_small_call
from app.http.request_headers import combine_headers
from app.http.services import Services
from app.limits import BUFFERED, Hold, pause
from app.logs import write_line
from app.metrics.requests import RequestMetrics

log = logging.getLogger("app.http.access")

SMALL_BODY = 16 * 1024
"""Bytes of a body that count for nothing if they arrive at once."""
RAW = b"/v1/queues/"
"""Paths below it are not decoded: the routes do that with each segment."""
_EMPTY_SEGMENT = "/-/-/"
"""What stands for an empty segment of a path; no route has it."""
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._~:/+=-]{1,128}")
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


def allowed_methods(app: Litestar, path: str) -> list[str]:
    """Return the methods that `path` allows, or nothing where no route matches."""
    methods = []
    path = normalize_path(path)
    for method in METHODS:
        try:
            app.asgi_router.handle_routing(path=path, method=cast("Any", method))
        except HTTPException:
            continue
        methods += ["GET", "HEAD"] if method == "GET" else [method]
    return [*methods, "OPTIONS"] if methods else []


def _path(scope: HTTPScope) -> str:
    """Return the path for the router: as it was sent where `%2F` is no slash, and `%2E%2E` not the folder above.

    An empty segment stays one (RFC 3986, 3.3). The router would drop it, and take `/v1/tasks//claim`, which lacks an
    id, for the call that claims any task.
    """
    path: str = scope["raw_path"].decode("ascii") if scope["raw_path"].startswith(RAW) else scope["path"]
    return path.replace("//", _EMPTY_SEGMENT) if "//" in path else path


class RequestMiddleware:
    """ASGI middleware around Litestar: request ids, HEAD, OPTIONS, metrics, one log line a request, draining.

    `X-Request-ID` of the client is kept if it is 1 to 128 harmless characters, and `traceparent` (W3C Trace Context)
    is logged and returned.
    """

    def __init__(self, app: Litestar, services: Services) -> None:
        self._app = app
        self._services = services
        self._requests = RequestMetrics()
        networks = services.settings.read_proxies()
        self._proxies = TrustedProxies(networks) if networks else None
        self._cross_origin = CrossOrigin.of(services.settings)

    async def __call__(self, scope: Scope | LifeSpanScope, receive: Receive, send: Send) -> None:
        """Serve one connection; a refusal that has to wait does so without what the request had in memory."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        scope = cast("HTTPScope", scope)
        refusal = await self._answer(scope, receive, send)
        if refusal is not None:
            extensions: Any = scope["extensions"]
            await pause(refusal.delay_s, extensions["lost"]())
            for message in refusal.messages:
                await send(message)

    async def _answer(self, outer: HTTPScope, receive: Receive, send: Send) -> "_LateRefusal | None":
        """Answer a request, or return its refusal if that has to wait."""
        started = time.perf_counter()
        method = outer["method"]
        fields = combine_headers(outer["headers"])
        request_id, trace_id, echoed = _identity(fields)
        client = self._client(outer, fields, echoed)
        preflight = self._preflight(method, fields, echoed)
        held: list[Hold] = []
        state: dict[str, Any] = {
            "services": self._services,
            "fields": fields,
            "request_id": request_id,
            "head": method == "HEAD",
            "gone": False,
            "held": held,
        }
        # The server keeps the outer scope: it sees HEAD there and omits the body of the response.
        changed = {"method": "GET" if method == "HEAD" else method, "path": _path(outer), "state": state}
        scope = cast("HTTPScope", {**outer, **changed})
        status, refusal = 500, None
        counted, body_bytes = False, self._services.limits.body_bytes
        self._requests.begin(scope)

        async def listen() -> Any:
            nonlocal counted
            message: Any = await receive()
            state["gone"] = message["type"] == "http.disconnect"
            size = len(message.get("body", b""))
            if size and (message.get("more_body") or counted or size > SMALL_BODY):
                counted = True
                held.append(body_bytes.take(state.get("key_id", ""), size))
            return message

        async def respond(message: Message) -> None:
            nonlocal status, refusal
            if message["type"] == "http.response.start":
                self._end_turns(state)
                status = message["status"]
                message["headers"] = [*message["headers"], *echoed, *self._own_headers(scope)]
                refusal = self._late_refusal(status, state) if status >= 400 else None
            elif message["type"] == "http.response.body" and len(message["body"]) > BUFFERED:
                await _send_in_two(message, send)
                return
            if refusal is None:
                await send(message)
            else:
                refusal.messages.append(message)

        try:
            if preflight is not None:  # of any path, so that a page can read a 404 too
                await _answer_without_body(preflight, respond)
            else:
                await self._pass_on(scope, listen, respond)
        finally:
            for taken in held:
                taken.release()
            duration_s = time.perf_counter() - started
            self._requests.end(scope, status, duration_s)
            self._end_turns(state)
            if log.isEnabledFor(logging.INFO):
                write_line(
                    AccessLine(
                        logger=log.name,
                        message=f"{method} {outer['path']} {status}",
                        request_id=request_id,
                        client=client,
                        method=method,
                        route=scope.get("path_template"),
                        status=status,
                        duration_ms=round(duration_s * 1000, 3),
                        key_id=state.get("key_id"),
                        trace_id=trace_id,
                    )
                )
        return refusal

    async def _pass_on(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS" and (methods := allowed_methods(self._app, scope["path"])):
            await _options(methods, send)
        else:
            await self._app(scope, receive, send)

    def _preflight(self, method: str, fields: Mapping[bytes, bytes], echoed: Headers) -> Headers | None:
        """Return the further headers of the answer to a preflight; add to `echoed` what the pages of an origin need."""
        if self._cross_origin is None:
            return None
        echoed += self._cross_origin.headers(fields.get(b"origin"))
        return self._cross_origin.preflight(fields) if method == "OPTIONS" else None

    def _client(self, scope: HTTPScope, fields: Mapping[bytes, bytes], echoed: list[tuple[bytes, bytes]]) -> str | None:
        """Return the client's address, and add to `echoed` what a client gets that came by HTTPS."""
        peer = scope["client"][0] if scope["client"] else None
        if not self._proxies:
            return peer
        if self._proxies.by_https(peer, fields):
            echoed.append(HSTS)
        return self._proxies.client(peer, fields)

    def _late_refusal(self, status: int, state: dict[str, Any]) -> "_LateRefusal | None":
        """Return a refusal if the answer has to wait: 401, 429, and any error of a client that did not send a key."""
        if status in (401, 429) or (status < 500 and "key_id" not in state):
            delay_s = self._services.limits.refusals.delay_s()
            return _LateRefusal(delay_s) if delay_s else None
        return None

    def _end_turns(self, state: dict[str, Any]) -> None:
        """Let the next call of the key begin, and the next large body be worked on."""
        end_small_call(state, self._services.limits)
        if "turn" in state:
            state.pop("turn").release()

    def _own_headers(self, scope: HTTPScope) -> list[tuple[bytes, bytes]]:
        """Return the headers that do not depend on the request's."""
        handler = scope.get("route_handler")
        policy = DATA_POLICY if handler is None else handler.opt.get("policy", DATA_POLICY)
        return [policy, (b"connection", b"close")] if self._services.draining else [policy]


class _LateRefusal:
    """The messages of a refusal that is sent `delay_s` later."""

    def __init__(self, delay_s: float) -> None:
        self.messages: list[Message] = []
        self.delay_s = delay_s


async def _send_in_two(message: Any, send: Send) -> None:
    """Send a large part of a body; return from its last one once the client has read nearly all of it.

    What the body holds of the bounds is held till then.
    """
    if not message["more_body"]:
        await send({"type": "http.response.body", "body": message["body"], "more_body": True})
        message["body"] = b""
    await send(message)


def _identity(fields: Mapping[bytes, bytes]) -> tuple[str, str | None, list[tuple[bytes, bytes]]]:
    """Return the request's id, the trace's id, and the response headers that carry both."""
    request_id, traceparent = fields.get(b"x-request-id"), fields.get(b"traceparent")
    if request_id is None or not _REQUEST_ID.fullmatch(request_id):
        request_id = b"%016x" % random.getrandbits(64)
    echoed = [(b"x-request-id", request_id), *EVERY_ANSWER]
    if traceparent is None or (trace := _TRACEPARENT.fullmatch(traceparent)) is None:
        return request_id.decode(), None, echoed
    return request_id.decode(), trace[1].decode(), [*echoed, (b"traceparent", traceparent)]


async def _options(methods: list[str], send: Send) -> None:
    headers = [(b"allow", ", ".join(methods).encode())]
    if "PATCH" in methods:
        headers.append((b"accept-patch", b"application/merge-patch+json, application/json"))
    await _answer_without_body(headers, send)


async def _answer_without_body(headers: Headers, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})

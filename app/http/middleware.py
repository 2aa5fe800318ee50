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

from app.http.access import AccessLine
from app.http.budget import SMALL
from app.http.forwarded import TrustedProxies
from app.http.request_headers import combine_headers
from app.http.security_headers import DATA_POLICY, HSTS, NO_SNIFFING
from app.http.services import Services
from app.logs import write_line
from app.metrics.requests import RequestMetrics

log = logging.getLogger("app.http.access")

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

    async def __call__(self, scope: Scope | LifeSpanScope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == ScopeType.HTTP:
            await self._serve(cast("HTTPScope", scope), receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, outer: HTTPScope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        method = outer["method"]
        fields = combine_headers(outer["headers"])
        request_id, trace_id, echoed = _identity(fields)
        client = outer["client"][0] if outer["client"] else None
        if self._proxies:
            if self._proxies.by_https(client, fields):
                echoed.append(HSTS)
            client = self._proxies.client(client, fields)
        state: dict[str, Any] = {"fields": fields, "request_id": request_id, "head": method == "HEAD", "gone": False}
        # The server keeps the outer scope: it sees HEAD there and omits the body of the response.
        scope = cast("HTTPScope", {**outer, "method": "GET" if method == "HEAD" else method, "state": state})
        status = 500
        held, bodies = 0, self._services.bodies
        self._requests.begin(scope)

        async def listen() -> Any:
            nonlocal held
            message: Any = await receive()
            state["gone"] = message["type"] == "http.disconnect"
            if message.get("more_body") or held or len(message.get("body", b"")) > SMALL:
                size = len(message.get("body", b""))
                bodies.take(state.get("key_id", ""), size)
                held += size
            return message

        async def respond(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                _end_turn(state)
                status = message["status"]
                closing = [(b"connection", b"close")] if self._services.draining else []
                handler = scope.get("route_handler")
                policy = DATA_POLICY if handler is None else handler.opt.get("policy", DATA_POLICY)
                message["headers"] = [*message["headers"], *echoed, policy, *closing]
            await send(message)

        try:
            if method == "OPTIONS" and (methods := allowed_methods(self._app, outer["path"])):
                await _options(methods, respond)
            else:
                await self._app(scope, listen, respond)
        finally:
            duration_s = time.perf_counter() - started
            self._requests.end(scope, status, duration_s)
            _end_turn(state)
            if held:
                bodies.give_back(state.get("key_id", ""), held)
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


def _end_turn(state: dict[str, Any]) -> None:
    """Let the next large body be worked on."""
    if "turn" in state:
        state.pop("turn").release()


def _identity(fields: Mapping[bytes, bytes]) -> tuple[str, str | None, list[tuple[bytes, bytes]]]:
    """Return the request's id, the trace's id, and the response headers that carry both."""
    request_id, traceparent = fields.get(b"x-request-id"), fields.get(b"traceparent")
    if request_id is None or not _REQUEST_ID.fullmatch(request_id):
        request_id = b"%016x" % random.getrandbits(64)
    echoed = [(b"x-request-id", request_id), NO_SNIFFING]
    if traceparent is None or (trace := _TRACEPARENT.fullmatch(traceparent)) is None:
        return request_id.decode(), None, echoed
    return request_id.decode(), trace[1].decode(), [*echoed, (b"traceparent", traceparent)]


async def _options(methods: list[str], send: Send) -> None:
    headers = [(b"allow", ", ".join(methods).encode())]
    if "PATCH" in methods:
        headers.append((b"accept-patch", b"application/merge-patch+json, application/json"))
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})

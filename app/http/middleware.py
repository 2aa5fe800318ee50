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

from app.http.request_headers import combine_headers
from app.http.services import Services
from app.limits import BUFFERED, Hold
from app.logs import Line, write_line
from app.metrics.requests import RequestMetrics

log = logging.getLogger("app.http.access")

REFUSALS = (401, 429)
"""Statuses whose answers are spread over time."""
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._~:/+=-]{1,128}")
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


class AccessLine(Line, kw_only=True):
    """The log line of a request."""

    request_id: str
    method: str
    route: str | None
    status: int
    duration_ms: float
    key_id: str | None
    trace_id: str | None


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
        held: list[Hold] = []
        state: dict[str, Any] = {
            "fields": fields,
            "request_id": request_id,
            "head": method == "HEAD",
            "gone": False,
            "held": held,
        }
        # The server keeps the outer scope: it sees HEAD there and omits the body of the response.
        scope = cast("HTTPScope", {**outer, "method": "GET" if method == "HEAD" else method, "state": state})
        status, paused_s = 500, 0.0
        self._requests.begin(scope)

        async def listen() -> Any:
            message = await receive()
            state["gone"] = message["type"] == "http.disconnect"
            return message

        async def respond(message: Message) -> None:
            nonlocal status, paused_s
            if message["type"] == "http.response.start":
                status = message["status"]
                if status in REFUSALS:
                    since = time.perf_counter()
                    await self._services.limits.refusals.wait()
                    paused_s = time.perf_counter() - since
                closing = [(b"connection", b"close")] if self._services.draining else []
                message["headers"] = [*message["headers"], *echoed, *closing]
            elif (
                message["type"] == "http.response.body" and len(message["body"]) > BUFFERED and not message["more_body"]
            ):
                await send({"type": "http.response.body", "body": message["body"], "more_body": True})
                message["body"] = b""  # sent once the client has read nearly all of the body, which is held till then
            await send(message)

        try:
            if method == "OPTIONS" and (methods := allowed_methods(self._app, outer["path"])):
                await _options(methods, respond)
            else:
                await self._app(scope, listen, respond)
        finally:
            for taken in held:
                taken.release()
            duration_s = time.perf_counter() - started - paused_s
            self._requests.end(scope, status, duration_s)
            if log.isEnabledFor(logging.INFO):
                write_line(
                    AccessLine(
                        logger=log.name,
                        message=f"{method} {outer['path']} {status}",
                        request_id=request_id,
                        method=method,
                        route=scope.get("path_template"),
                        status=status,
                        duration_ms=round(duration_s * 1000, 3),
                        key_id=state.get("key_id"),
                        trace_id=trace_id,
                    )
                )


def _identity(fields: Mapping[bytes, bytes]) -> tuple[str, str | None, list[tuple[bytes, bytes]]]:
    """Return the request's id, the trace's id, and the response headers that carry both."""
    request_id, traceparent = fields.get(b"x-request-id"), fields.get(b"traceparent")
    if request_id is None or not _REQUEST_ID.fullmatch(request_id):
        request_id = b"%016x" % random.getrandbits(64)
    echoed = [(b"x-request-id", request_id)]
    if traceparent is None or (trace := _TRACEPARENT.fullmatch(traceparent)) is None:
        return request_id.decode(), None, echoed
    return request_id.decode(), trace[1].decode(), [*echoed, (b"traceparent", traceparent)]


async def _options(methods: list[str], send: Send) -> None:
    headers = [(b"allow", ", ".join(methods).encode())]
    if "PATCH" in methods:
        headers.append((b"accept-patch", b"application/merge-patch+json, application/json"))
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})

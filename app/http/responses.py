"""Responses whose body is JSON that PostgreSQL built."""

from collections.abc import Mapping
from typing import Any

from litestar import Response
from litestar.types import Receive, Scope, Send

from app.http.negotiation import JSON


class _ASGIResponse:
    """Sends the two ASGI messages of a response, which are complete."""

    __slots__ = ("_body", "_headers", "_status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self._status = status
        self._headers = [
            (b"content-type", JSON.encode()),
            (b"content-length", b"%d" % len(body)),
            *((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()),
        ]
        self._body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body, "more_body": False})


class JSONResponse(Response[Any]):
    """A response that Litestar sends unchanged."""

    def __init__(self, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.content = body
        self.status_code = self._status = status
        self.headers = dict(headers or {})

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:
        """Return the ASGI application that sends it; the configuration of the route is not needed."""
        return _ASGIResponse(self._status, self.headers, self.content)

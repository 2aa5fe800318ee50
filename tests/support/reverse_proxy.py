"""A reverse proxy in front of the service that changes or removes the `Date` of answers, or holds requests back."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import httpx

from tests.support.service import NO_TLS, Service


class ReverseProxy:
    """Passes requests on once `before` has returned, and answers as if the service's clock were `ahead`.

    A context manager. `before` gets the method; where `ahead` is None, answers have no `Date`.
    """

    def __init__(
        self,
        service: Service,
        ahead: timedelta | None = timedelta(),
        before: Callable[[str], object] = lambda method: method,
    ) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(service.url, ahead, before))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=[0.01], daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(upstream: str, ahead: timedelta | None, before: Callable[[str], object]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            before(self.command)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            answer = httpx.request(
                self.command, upstream + self.path, content=body, headers=headers, timeout=60, verify=NO_TLS
            )
            self.send_response_only(answer.status_code)
            for name, value in answer.headers.items():
                if name not in {"date", "connection"}:
                    self.send_header(name, value)
            if ahead is not None:
                self.send_header("Date", format_datetime(datetime.now(UTC) + ahead, usegmt=True))
            self.end_headers()
            self.wfile.write(answer.content)

        do_POST = do_PATCH = do_GET  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    return Handler

"""Stand-ins for Google: the part of Secret Manager's API that reads a secret, and a gcloud that is signed in."""

import base64
import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Self

ENDPOINT = "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER"
VALUE = "tp-%-value"
TOKEN = "ya29.token"
SIGNED_OUT = """WARNING: Python 3.9 is deprecated.
ERROR: (gcloud.auth.print-access-token) You do not currently have an active account selected.
Please run:

  gcloud auth login

to obtain new credentials.

If you have already logged in with a different account, run:

  gcloud config set account ACCOUNT

to select an already authenticated account to use."""
# prints what the real one prints; refuses any other command line
GCLOUD = f"""#!/bin/sh
[ "$*" = "auth print-access-token --quiet" ] || exit 64
[ -z "$SIGNED_OUT" ] || {{ printf '%s\\n' "{SIGNED_OUT}" >&2; exit 1; }}
echo {TOKEN}
"""
Answer = tuple[int, dict[str, Any]]


def install_gcloud(folder: Path) -> None:
    """Put the stand-in for gcloud into a new folder."""
    folder.mkdir()
    (folder / "gcloud").write_text(GCLOUD)
    (folder / "gcloud").chmod(0o755)


def value_of(name: str) -> bytes:
    """The value of a secret: two lines, and not UTF-8."""
    return f"{VALUE}\n{name}".encode() + b"\xff"


def error(status: int, message: str) -> Answer:
    return status, {"error": {"code": status, "message": message}}


class SecretManager:
    """One project, `example`, that has every secret anybody asks for."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        """By secret: what to answer first, instead of its value."""
        self.before_answering: Callable[[], object] = lambda: None
        """Called in the thread of each request, once it is there."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, path: str, authorization: str | None) -> Answer:
        match path.split("/"):
            case ["", "v1", "projects", project, "secrets", name, "versions", "latest:access"]:
                if authorization != f"Bearer {TOKEN}":
                    return error(401, "Request had invalid authentication credentials.")
                if project != "example":
                    return error(403, f"Permission denied on resource project {project}.")
                if first := self.answers.get(name):
                    return first.pop(0)
                data = base64.b64encode(value_of(name)).decode()
                return 200, {"name": f"projects/1/secrets/{name}/versions/1", "payload": {"data": data}}
        return error(404, "Not found.")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        manager = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                manager.before_answering()
                status, body = manager.answer(self.path, self.headers.get("Authorization"))
                encoded = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(encoded)))
                self.end_headers()
                self.wfile.write(encoded)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler

"""A switch outside the cluster, as the Watchdog finds it: it takes a POST and remembers it."""

import json
from http.server import BaseHTTPRequestHandler
from typing import Any

from monitoring.local.receivers import Listener, Silent


class Pings(Listener):
    """A context manager that listens on a port of loopback."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/ping/taskpulse"
        self.received: list[dict[str, Any]] = []
        received = self.received

        class Switch(Silent, BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

        super().__init__(port, Switch)

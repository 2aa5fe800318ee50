"""Where alerts arrive: a webhook that takes what Slack's would take."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class SlackMessage:
    """A message as a person would see it, and when it came (seconds since 1970)."""

    channel: str
    title: str
    text: str
    color: str
    received: float

    @classmethod
    def parse(cls, body: dict[str, Any]) -> "SlackMessage":
        """Take the first attachment of a message (https://docs.slack.dev/messaging/formatting-message-text)."""
        [attachment] = body["attachments"]
        return cls(body["channel"], attachment["title"], attachment["text"], attachment["color"], time.time())

    def __str__(self) -> str:
        return f"{self.channel}  [{self.color}]\n{self.title}\n{self.text}"


class Silent:
    """For a handler of requests: logs none."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Listener:
    """Listens on a port of loopback while the context is open."""

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class SlackWebhook(Listener):
    """Listens on a port of loopback, remembers what comes, and tells it on."""

    def __init__(self, port: int, tell: Callable[[SlackMessage], None] = lambda _: None) -> None:
        self.url = f"http://127.0.0.1:{port}/services/slack"
        self.messages: list[SlackMessage] = []
        webhook = self

        class Webhook(Silent, BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                message = SlackMessage.parse(json.loads(self.rfile.read(length)))
                webhook.messages.append(message)
                tell(message)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"ok")

        super().__init__(port, Webhook)

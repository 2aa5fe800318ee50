"""Uvicorn, and what happens at SIGTERM."""

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.http.application import create_app
from app.settings import Settings

log = logging.getLogger(__name__)

DRAIN_S = 2.0
"""Seconds between SIGTERM and the closing of the port: time for keep-alive clients to hear `Connection: close`."""
GRACE_S = 20
"""Seconds that requests in flight have after that."""
KEEP_ALIVE_S = 620
"""Seconds for which an idle connection stays open: longer than the 600 of Google's load balancers."""


class Joining:
    """A transport that sends the head of an answer together with what follows it: one system call instead of two.

    What nothing follows in the same turn of the event loop goes out at its end.
    """

    __slots__ = ("_held", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: bytes | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Hold the first bytes of a turn back, and send them with the next ones."""
        if self._held is None:
            self._held = data
            self._loop.call_soon(self._flush)
        else:
            held, self._held = self._held, None
            self._transport.writelines((held, data))

    def close(self) -> None:
        """Send what is held, and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        held, self._held = self._held, None
        if held is not None and not self._transport.is_closing():
            self._transport.write(held)


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 that lets a request break its connection off, by `scope["extensions"]["abort"]`.

    An ordinary close waits until everything is sent, which a reader that has stopped reading never lets happen.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection."""
        super().connection_made(Joining(transport, self.loop))  # type: ignore[arg-type]

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.scope["extensions"] = {"abort": self.transport.abort}  # type: ignore[dict-item]


class Server(uvicorn.Server):
    """A server that at SIGTERM first says that it is not ready, then closes its port and finishes what is in flight."""

    def __init__(self, settings: Settings, on_started: Callable[[], None] = lambda: None) -> None:
        self._on_started = on_started
        self.edge = create_app(settings)
        super().__init__(
            uvicorn.Config(
                self.edge,
                host=settings.host,
                port=settings.port,
                loop="uvloop",
                http=Protocol,
                ws="none",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACE_S,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start serving; remember the event loop for the signals."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        # What is there now stays: the collector need not look at it again, nor look around after every 700 objects.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        self._on_started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain at the first SIGTERM; Ctrl-C, or a second signal, stops without that."""
        if sig == signal.SIGTERM and not self.edge.app.state.draining:
            self._loop.call_soon_threadsafe(self._drain)
        elif self.should_exit:
            self.force_exit = True
        else:
            self.should_exit = True
            self._loop.call_soon_threadsafe(self.edge.app.state.notifier.draining.set)

    def _drain(self) -> None:
        log.info("draining: not ready any more, closing the port in %s s", DRAIN_S)
        self.edge.app.state.draining = True
        self.edge.app.state.notifier.draining.set()
        self._loop.call_later(DRAIN_S, setattr, self, "should_exit", True)

"""Uvicorn with our settings, and what happens at a signal."""

import asyncio
import contextlib
import logging
import resource
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import cast

import uvicorn

from app.http.application import create_app
from app.http.connections import Connections
from app.http.cross_origin import CrossOrigin
from app.http.garbage_collection import tune_garbage_collection
from app.http.protocol import Protocol
from app.http.services import Services
from app.http.transport import SEND_BUFFER
from app.settings import Settings

log = logging.getLogger(__name__)

DRAIN_S = 2.0
"""Seconds between SIGTERM and the closing of the port: time for keep-alive clients to receive `Connection: close`."""
GRACE_S = 20
"""Seconds that requests in flight have after that."""
SWITCH_S = 0.001
"""Seconds that the event loop waits at the most for a thread that decodes a large body (sys.setswitchinterval)."""
KEEP_ALIVE_S = 620
"""Seconds for which an idle connection stays open: longer than the 600 of Google's load balancers."""


class Server(uvicorn.Server):
    """A server that drains at SIGTERM: first it is not ready, then it closes its port and finishes requests."""

    def __init__(self, settings: Settings, on_started: Callable[[], None] = lambda: None) -> None:
        self._on_started = on_started
        self._services = Services.create(settings)
        _allow_open_files()
        self._connections = Connections(settings.max_connections)
        super().__init__(
            uvicorn.Config(
                create_app(self._services),
                host=settings.host,
                port=settings.port,
                loop="uvloop",
                http=partial(Protocol, self._connections, CrossOrigin.of(settings)),  # type: ignore[arg-type]
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
        """Start serving; keep the event loop for signal handlers."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        for server in self.servers:
            for listening in server.sockets:  # connections inherit it
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self._connections.watch(self._loop)
        tune_garbage_collection(self._loop, lambda: len(self.server_state.connections))
        sys.setswitchinterval(SWITCH_S)
        self._on_started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain at the first SIGTERM; stop without draining at Ctrl-C or a second signal."""
        if sig == signal.SIGTERM and not self._services.draining:
            self._loop.call_soon_threadsafe(self._drain)
        elif self.should_exit:
            self.force_exit = True
        else:
            self.should_exit = True
            self._loop.call_soon_threadsafe(self._stop_waiting)

    def _drain(self) -> None:
        log.info("draining: not ready any more, closing the port in %s s", DRAIN_S)
        self._services.draining = True
        self._stop_waiting()
        self._loop.call_later(DRAIN_S, setattr, self, "should_exit", True)

    def _stop_waiting(self) -> None:
        """End long polls and event streams."""
        self._services.notifier.draining.set()
        for connection in list(self.server_state.connections):
            cast("Protocol", connection).stop_waiting()


def _allow_open_files() -> None:
    """Raise the limit of open files as far as a process may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

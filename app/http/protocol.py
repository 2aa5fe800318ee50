"""HTTP/1.1 over one connection: uvicorn's protocol, with fewer system calls and a way to disconnect at once."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class CoalescingTransport:
    """Coalesces writes: sends the head of a response together with its body, in one system call instead of two.

    A write that no other follows in the same turn of the event loop is sent at the end of that turn.
    """

    __slots__ = ("_held", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: bytes | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Hold back the first bytes of a turn, and send them with the next ones."""
        if self._held is None:
            self._held = data
            self._loop.call_soon(self._flush)
        else:
            held, self._held = self._held, None
            self._transport.writelines((held, data))

    def close(self) -> None:
        """Send what is held back, and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        held, self._held = self._held, None
        if held is not None and not self._transport.is_closing():
            self._transport.write(held)


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 that lets the application disconnect a client, by `scope["extensions"]["abort"]`.

    An ordinary close waits until everything is sent: for ever, if the client has stopped reading.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start a connection."""
        super().connection_made(CoalescingTransport(transport, self.loop))  # type: ignore[arg-type]

    def on_message_begin(self) -> None:
        """Start a request."""
        super().on_message_begin()
        self.scope["extensions"] = {"abort": self.transport.abort}  # type: ignore[dict-item]

"""The writing side of a connection: fewer system calls, and room for one answer at a time."""

import asyncio
from typing import Any

SEND_BUFFER = 256 * 1024
"""SO_SNDBUF in bytes; without it, the kernel takes megabytes for a peer that does not read."""


class CoalescingTransport:
    """Coalesces writes: sends the head of a response together with its body, in one system call instead of two.

    A write that no other follows in the same turn of the event loop is sent at the end of that turn.
    """

    __slots__ = ("_held", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: bytes | None = None
        transport.set_write_buffer_limits(high=0)  # the next part of an answer waits until the peer has the last one

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Hold back the first bytes of a turn, and send them with the next ones; drop them once it is closed."""
        if self._transport.is_closing():
            return
        if self._held is None:
            self._held = data
            self._loop.call_soon(self._flush)
        else:
            held, self._held = self._held, None
            self._transport.writelines((held, data))

    def write_eof(self) -> None:
        """Send what is held back, and end the writing side."""
        self._flush()
        if not self._transport.is_closing():
            self._transport.write_eof()

    def close(self) -> None:
        """Send what is held back, and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        held, self._held = self._held, None
        if held is not None and not self._transport.is_closing():
            self._transport.write(held)

"""Server-sent events: one stream from its first byte to its last (WHATWG HTML, section 9.2)."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import psycopg
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Send

from app.events.hub import Hub, Reader
from app.events.model import ALL, FROM_START, EventId, Position, block, mark, reset
from app.events.store import FEW

MEDIA_TYPE = "text/event-stream"
HEADERS = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
"""These keep proxies from compressing or buffering, which would delay events."""
RETRY_MS = 1000
HEARTBEAT_S = 15.0
FRESH_WITHIN_S = 1.5


class EventStream(ASGIResponse):
    """A response that lasts until the reader disconnects or is disconnected, its key is revoked or the process ends."""

    _should_set_content_length = False

    def __init__(
        self,
        hub: Hub,
        reader: Reader,
        after: EventId | None,
        on_leave: Callable[..., None],
        **options: Any,
    ) -> None:
        super().__init__(media_type=MEDIA_TYPE, headers=HEADERS, **options)
        self._hub = hub
        self._reader = reader
        self._after = after
        self._on_leave = on_leave
        self._limit = FEW
        self._heard = time.monotonic()

    async def send_body(self, send: Send, receive: Receive) -> None:
        """Send events until the stream ends."""
        reader, hub = self._reader, self._hub
        hub.readers.add(reader)
        self._on_leave(reader.end)
        try:
            if hub.draining:
                reader.end()
            with contextlib.suppress(psycopg.OperationalError):  # the reader reconnects, and then gets the error
                await self._begin(send)
                await self._follow(send)
            await self._send(send, b"", more=False)
        finally:
            self._on_leave(None)
            hub.leave(reader)

    async def _begin(self, send: Send) -> None:
        """Send the id at which the stream begins, and past events until the reader has caught up."""
        hub, reader = self._hub, self._reader
        position, lost = await self._place()
        first = reset("unknown", hub.event_id(position)) if lost else mark(hub.event_id(position))
        await self._send(send, b"retry: %d\n" % RETRY_MS + first)
        while position < hub.head and not reader.ended:
            position, chunk = await self._page(hub.event_id(position))
            if not chunk and time.monotonic() - self._heard > HEARTBEAT_S:
                chunk = b": heartbeat\n" + mark(hub.event_id(position))
            if chunk and not reader.ended:
                await self._send(send, chunk)
        hub.join(reader)

    async def _page(self, after: EventId) -> tuple[Position, bytes]:
        """Return the position after the next page of past events, and the bytes to send.

        Ids keep the epoch of `after`, even if a new one has begun meanwhile: what was lost is found by its epoch.
        """
        head = self._hub.head
        found = await self._hub.read_page(after.position, head, self._limit)
        self._limit = found.limit
        if after.position < found.floor:
            return found.floor, reset("pruned", EventId(after.epoch, found.floor))
        chosen = [block(after.epoch, event) for event in found.events if self._reader.selection.matches(event)]
        return found.events[-1].position if found.events else head, b"".join(chosen)

    async def _place(self) -> tuple[Position, bool]:
        """Return where to begin, and whether the database lost some of what the reader has seen."""
        hub, after = self._hub, self._after
        if after is None:
            return hub.head, False
        if after == FROM_START:
            return hub.floor, False
        assert hub.epochs is not None  # noqa: S101 - the route has waited for it
        position = hub.epochs.common(after)
        if position is not None and position > hub.head:  # another process may be ahead of this one
            await hub.fresh(FRESH_WITHIN_S)
        if position is None or position > hub.newest:
            return hub.head, True
        while position > hub.head and not self._reader.ended:
            await hub.fresh(FRESH_WITHIN_S)
        return position, position < after.position

    async def _follow(self, send: Send) -> None:
        """Send what the hub pushes, and a heartbeat when it pushes nothing."""
        reader, hub = self._reader, self._hub
        while not reader.ended:
            try:
                async with asyncio.timeout(HEARTBEAT_S - (time.monotonic() - self._heard)):
                    await reader.more.wait()
            except TimeoutError:
                seen = b"" if reader.selection == ALL else mark(hub.event_id(hub.head))
                reader.push([b": heartbeat\n" + seen])
            if chunk := reader.take():
                await self._send(send, chunk)

    async def _send(self, send: Send, chunk: bytes, *, more: bool = True) -> None:
        """Send; `app.http.connections` disconnects a reader that does not receive it."""
        await send({"type": "http.response.body", "body": chunk, "more_body": more})
        self._heard = time.monotonic()

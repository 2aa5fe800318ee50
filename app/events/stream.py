"""One stream of events, from the first byte to the last: text/event-stream (WHATWG HTML, section 9.2)."""

import asyncio
import contextlib
import time
from typing import Any, Literal

import psycopg
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Send

from app.database import Database
from app.events.hub import Hub, Reader
from app.events.model import ALL, START, EventId, Position, block, mark, reset
from app.events.store import PAGE, look

MEDIA_TYPE = "text/event-stream"
RETRY_MS = 1000
HEARTBEAT_S = 15.0
SEND_WITHIN_S = 10.0
"""Seconds that a reader has to take what was sent, beyond what the buffers on the way hold."""
FRESH_WITHIN_S = 5.0
PAGES_AT_ONCE = 2
"""Readers that catch up at the same moment; each holds a connection for one page only."""

Reason = Literal["unknown", "pruned"]


class CatchUp:
    """Reads pages of the past, few at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turns = asyncio.Semaphore(PAGES_AT_ONCE)

    async def page(self, after: Position, until: Position) -> tuple[Position, list[Any]]:
        """Return what is no longer kept, and the next events after a position.

        Raises psycopg.OperationalError.
        """
        async with self._turns:
            found = await look(self._database, after, until)
        return found.floor, found.changes


class EventStream(ASGIResponse):
    """An answer that lasts until the reader leaves, is cut off or loses its key, or the process ends."""

    _should_set_content_length = False

    def __init__(self, hub: Hub, past: CatchUp, reader: Reader, after: EventId | None, **options: Any) -> None:
        super().__init__(
            media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}, **options
        )
        self._hub = hub
        self._past = past
        self._reader = reader
        self._after = after
        self._heard = time.monotonic()

    async def send_body(self, send: Send, receive: Receive) -> None:
        """Send events until the stream ends."""
        reader, hub = self._reader, self._hub
        hub.readers.add(reader)
        gone = asyncio.create_task(_end_when_gone(reader, receive))
        try:
            if hub.draining:
                reader.end()
            with contextlib.suppress(psycopg.OperationalError):  # the reader comes back, and then hears of it
                await self._begin(send)
                await self._follow(send)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SEND_WITHIN_S):
                    await send({"type": "http.response.body", "body": reader.take(), "more_body": False})
        finally:
            gone.cancel()
            hub.leave(reader)

    async def _begin(self, send: Send) -> None:
        """Say where the stream begins, and send what there is until the reader is at the head."""
        hub = self._hub
        position, reason = await self._place()
        first = reset(reason, hub.event_id(position)) if reason else mark(hub.event_id(position))
        await self._send(send, b"retry: %d\n" % RETRY_MS + first)
        while position < hub.head and not self._reader.ended:
            head = hub.head
            floor, changes = await self._past.page(position, head)
            if position < floor:
                position = hub.head
                await self._send(send, reset("pruned", hub.event_id(position)))
                continue
            epoch = hub.event_id(head).epoch
            chosen = [block(epoch, change) for change in changes if self._reader.selection.takes(change)]
            position = changes[-1].position if len(changes) == PAGE else head
            if chosen:
                await self._send(send, b"".join(chosen))
            elif time.monotonic() - self._heard > HEARTBEAT_S:
                await self._send(send, b": heartbeat\n" + mark(hub.event_id(position)))
        hub.join(self._reader)

    async def _place(self) -> tuple[Position, Reason | None]:
        """Return where to begin, and why not where the reader asks for."""
        hub, after = self._hub, self._after
        if after is None:
            return hub.head, None
        if after.epoch == "":
            return hub.floor, None
        assert hub.epochs is not None  # noqa: S101 - the route has waited for it
        if hub.epochs.holds(after) and after.position > hub.head:  # another process may be ahead of this one
            await hub.fresh(FRESH_WITHIN_S)
        if not hub.epochs.holds(after) or after.position > hub.newest:
            return hub.head, "unknown"
        while after.position > hub.head and not self._reader.ended:
            await hub.fresh(FRESH_WITHIN_S)
        return (hub.head, "pruned") if after.position < hub.floor else (after.position, None)

    async def _follow(self, send: Send) -> None:
        """Send what the hub hands over, and a heartbeat where that is nothing."""
        reader, hub = self._reader, self._hub
        while not reader.ended:
            try:
                async with asyncio.timeout(HEARTBEAT_S - (time.monotonic() - self._heard)):
                    await reader.more.wait()
            except TimeoutError:
                seen = b"" if reader.selection == ALL else mark(hub.event_id(hub.head))
                reader.push(b": heartbeat\n" + seen)
            if chunk := reader.take():
                await self._send(send, chunk)

    async def _send(self, send: Send, chunk: bytes) -> None:
        """Send, or cut the reader off when it does not take it."""
        if self._reader.ended:
            return
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except TimeoutError:
            self._reader.cut()
        self._heard = time.monotonic()


async def _end_when_gone(reader: Reader, receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    reader.end()


FROM_START = EventId("", START)
"""Where `after=0` begins: with the oldest event that is kept."""

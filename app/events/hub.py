"""Reads events once for a whole process, and pushes them to every stream that has caught up."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence

import psycopg
from prometheus_client import Counter

from app.events.model import EventId, EventRecord, Position, Selection, block, reset
from app.events.store import FEW, Epochs, EventPage, read_page
from app.keys.authentication import Credentials, KeyRing
from app.postgres.notifications import Notifier
from app.postgres.pool import Database
from app.problems import Problem

log = logging.getLogger(__name__)

POLL_EVERY_S = 1.0
POLL_AGAIN_S = 0.05
"""Seconds until the next poll while a committed change waits for an older transaction."""
PAGES_AT_ONCE = 2
"""Readers that read a page of the past at the same time; each holds a connection for one page only."""
RECHECK_KEYS_S = 4.0
MAX_BACKLOG = 1024 * 1024
"""Bytes waiting for one reader beyond which it is disconnected."""
SLICE = 64 * 1024
"""Bytes sent at a time: waiting blocks are shared by all readers, but each send is a copy."""

CUT_OFF = Counter(
    "taskpulse_event_streams_cut_off_total", "Event streams broken off because their reader was too slow."
)


class Reader:
    """One open stream: a bounded queue of blocks to send, and an event that is set while there are some."""

    def __init__(self, selection: Selection, credentials: Credentials, abort: Callable[[], None]) -> None:
        self.selection = selection
        self.credentials = credentials
        self.more = asyncio.Event()
        self.ended = False
        self._abort = abort
        self._blocks: deque[bytes] = deque()
        self._waiting = 0

    def push(self, blocks: Sequence[bytes]) -> None:
        """Queue blocks; disconnect a reader that has too much waiting already."""
        if self.ended:
            return
        if self._waiting > MAX_BACKLOG:
            self.disconnect()
            return
        self._blocks.extend(blocks)
        self._waiting += sum(map(len, blocks))
        self.more.set()

    def take(self) -> bytes:
        """Return what to send next."""
        taken, size = list[bytes](), 0
        while self._blocks and size < SLICE:
            taken.append(self._blocks.popleft())
            size += len(taken[-1])
        self._waiting -= size
        if not self._blocks:
            self.more.clear()
        return b"".join(taken)

    def end(self) -> None:
        """End the stream without what waits: the client gets it when it reconnects."""
        self.ended = True
        self._blocks.clear()
        self.more.set()

    def disconnect(self) -> None:
        """Disconnect at once: an ordinary end waits until the connection has sent everything."""
        CUT_OFF.inc()
        self.end()
        self._abort()


class Hub:
    """The event streams of this process; `head` is the last event that every live reader was given."""

    def __init__(self, database: Database, notifier: Notifier, keyring: KeyRing) -> None:
        self.readers: set[Reader] = set()
        """All open streams."""
        self.sent_up_to: float | None = None
        """Every change committed before this moment was pushed to the live readers; seconds since 1970."""
        self.floor = Position(0, 0)
        self.head = Position(0, 0)
        self.newest = Position(0, 0)
        """The last event that could be read at the last poll."""
        self.epochs: Epochs | None = None
        self._limit = FEW
        self._live: dict[Selection, set[Reader]] = {}
        self._database = database
        self._notifier = notifier
        self._keyring = keyring
        self._turns = asyncio.Semaphore(PAGES_AT_ONCE)
        self._polled = asyncio.Event()
        self._asked = asyncio.Event()

    @property
    def draining(self) -> bool:
        """Whether the process is about to end."""
        return self._notifier.draining.is_set()

    @property
    def serving(self) -> bool:
        """Whether there are live readers, for whom `head` is kept current."""
        return bool(self._live)

    def event_id(self, position: Position) -> EventId:
        """Return the id of a position in the current epoch."""
        assert self.epochs is not None  # noqa: S101 - callers wait for the first poll
        return EventId(self.epochs.id, position)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Poll for events and recheck the keys of the readers until the context is left."""
        tasks = [
            asyncio.create_task(work()) for work in (self._poll_forever, self._recheck_keys, self._end_when_draining)
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def fresh(self, within_s: float) -> None:
        """Return once a poll that began after this call has ended.

        Raises psycopg.OperationalError if none ends within that time.
        """
        try:
            async with asyncio.timeout(within_s):
                for _ in range(2):  # the current one may have begun before this call
                    polled = self._polled
                    self._asked.set()
                    await polled.wait()
        except TimeoutError:
            raise psycopg.OperationalError("the events could not be read in time") from None

    async def read_page(self, after: Position, until: Position, limit: int) -> EventPage:
        """Read a page of the past; only PAGES_AT_ONCE readers do so at the same time.

        Raises psycopg.OperationalError.
        """
        async with self._turns:
            return await read_page(self._database, after, until, limit)

    def join(self, reader: Reader) -> None:
        """Make a reader that has every event up to `head` a live one."""
        if not self._live:
            self._asked.set()  # without live readers, polls are rare
        self._live.setdefault(reader.selection, set()).add(reader)

    def leave(self, reader: Reader) -> None:
        """Forget a reader."""
        self.readers.discard(reader)
        group = self._live.get(reader.selection, set())
        group.discard(reader)
        if not group:
            self._live.pop(reader.selection, None)

    async def _poll_forever(self) -> None:
        while True:
            change = self._notifier.next_change
            pause = POLL_EVERY_S
            try:
                pause = await self._poll()
            except psycopg.OperationalError as error:
                log.log(logging.WARNING if self._database.up else logging.DEBUG, "looking for events failed: %s", error)
            except Exception:
                log.exception("looking for events failed")
            await _first_of([self._asked, change] if self._live else [self._asked], pause)
            self._asked.clear()

    async def _poll(self) -> float:
        """Read new events, push them to the live readers, and return the seconds until the next poll."""
        limit = self._limit if self._live else 0
        found = await read_page(self._database, self.head, limit=limit)
        self._limit = found.limit
        self.floor, self.newest = found.floor, found.head
        if self.epochs is None or found.epoch != self.epochs.id:
            await self._change_epoch(found)
        elif found.events:
            self._push(found.events)
            self.head = found.events[-1].position
        elif limit or not self._live:  # a reader that joined while nothing was read still needs what was skipped
            self.head = max(self.head, found.head)
        behind = bool(self._live) and self.head < self.newest
        if not behind:
            self.sent_up_to = found.held_since or found.looked_at
        elif found.events:
            self.sent_up_to = found.events[-1].at
        polled, self._polled = self._polled, asyncio.Event()
        polled.set()
        if behind:
            return 0
        return POLL_AGAIN_S if found.held_since else POLL_EVERY_S

    async def _change_epoch(self, found: EventPage) -> None:
        """Continue in a new epoch; where it lacks some of what the readers saw, send them a reset.

        Streams that are catching up end: they cannot place a reset within the past, and get one when they reconnect.
        """
        last = None if self.epochs is None else self.event_id(self.head)
        self.epochs = await Epochs.read(self._database)
        if last is None:
            self.head = found.head
            return
        common = self.epochs.common(last)
        if common == last.position:
            return
        self.head = found.head if common is None else common
        resets = [reset("unknown", self.event_id(self.head))]
        live = {reader for group in self._live.values() for reader in group}
        for reader in live:
            reader.push(resets)
        for reader in self.readers - live:
            reader.end()

    def _push(self, events: list[EventRecord]) -> None:
        """Push events to the live readers; the bytes are made once for all of them."""
        assert self.epochs is not None  # noqa: S101 - the events were read in it
        blocks = [block(self.epochs.id, event) for event in events]
        for selection, readers in list(self._live.items()):
            chosen = [made for made, event in zip(blocks, events, strict=True) if selection.matches(event)]
            if chosen:
                for reader in list(readers):
                    reader.push(chosen)

    async def _recheck_keys(self) -> None:
        """End the streams whose key was revoked, has expired or has lost the scope."""
        while True:
            await asyncio.sleep(RECHECK_KEYS_S)
            for credentials in {reader.credentials for reader in self.readers}:
                try:
                    key = await self._keyring.authenticate(credentials)
                    holds = "read" in key.scopes
                except Problem:
                    holds = False
                except psycopg.Error:
                    continue
                if not holds:
                    for reader in [one for one in self.readers if one.credentials == credentials]:
                        reader.end()

    async def _end_when_draining(self) -> None:
        await self._notifier.draining.wait()
        for reader in list(self.readers):
            reader.end()


async def _first_of(events: Sequence[asyncio.Event], seconds: float) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()

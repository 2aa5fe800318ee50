"""Reads events once for a whole process, and hands them to every stream that is at the head."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence

import psycopg
from prometheus_client import Counter

from app.events.model import Change, EventId, Position, Selection, block, reset
from app.events.store import FEW, Epochs, Look, look
from app.keys.keyring import Credentials, KeyRing
from app.postgres.notifications import Bell
from app.postgres.pool import Database
from app.problems import Problem

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
LOOK_AGAIN_S = 0.05
"""Seconds until the next look while a committed change waits for an older transaction."""
PAGES_AT_ONCE = 2
"""Readers that catch up at the same moment; each holds a connection for one page only."""
RECHECK_KEYS_S = 4.0
MAX_BACKLOG = 1024 * 1024
"""Bytes waiting for one reader at which the next page cuts it off."""
SLICE = 64 * 1024
"""Bytes that a reader sends at a time: what waits is shared by all readers, what is sent is a copy for each."""

CUT_OFF = Counter(
    "taskpulse_event_streams_cut_off_total", "Event streams broken off because their reader was too slow."
)


class Reader:
    """One open stream, as the hub sees it: blocks to send, few enough, and an event that tells of more."""

    def __init__(self, selection: Selection, credentials: Credentials, abort: Callable[[], None]) -> None:
        self.selection = selection
        self.credentials = credentials
        self.more = asyncio.Event()
        self.ended = False
        self._abort = abort
        self._blocks: deque[bytes] = deque()
        self._waiting = 0

    def push(self, blocks: Sequence[bytes]) -> None:
        """Give it blocks to send; a reader for which too much waits already is cut off."""
        if self.ended:
            return
        if self._waiting > MAX_BACKLOG:
            self.cut()
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
        """End the stream; what waits is sent to who comes back."""
        self.ended = True
        self._blocks.clear()
        self.more.set()

    def cut(self) -> None:
        """End it at once: an ordinary end waits for what the connection still has to send."""
        CUT_OFF.inc()
        self.end()
        self._abort()


class Hub:
    """The events of this process; `head` is the last one that every live reader was given."""

    def __init__(self, database: Database, bell: Bell, keyring: KeyRing) -> None:
        self.readers: set[Reader] = set()
        """All open streams."""
        self.sent_up_to: float | None = None
        """Every change committed before this moment was handed to the live readers; seconds since 1970."""
        self.floor = Position(0, 0)
        self.head = Position(0, 0)
        self.newest = Position(0, 0)
        """The last event that could be read at the last look."""
        self.epochs: Epochs | None = None
        self._limit = FEW
        self._live: dict[Selection, set[Reader]] = {}
        self._database = database
        self._bell = bell
        self._keyring = keyring
        self._turns = asyncio.Semaphore(PAGES_AT_ONCE)
        self._looked = asyncio.Event()
        self._asked = asyncio.Event()

    @property
    def draining(self) -> bool:
        """Whether the process is about to end."""
        return self._bell.silenced.is_set()

    @property
    def serving(self) -> bool:
        """Whether there are live readers, for whom `head` is kept at the last moment."""
        return bool(self._live)

    def event_id(self, position: Position) -> EventId:
        """Return the id of a position in the present epoch."""
        assert self.epochs is not None  # noqa: S101 - nobody asks before the first look
        return EventId(self.epochs.id, position)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Look for events, and whether the keys of the readers still hold, until left."""
        tasks = [asyncio.create_task(work()) for work in (self._look_on, self._recheck_keys, self._end_at_silence)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def fresh(self, within_s: float) -> None:
        """Return once a look that began after this call has ended.

        Raises psycopg.OperationalError where none does in time.
        """
        try:
            async with asyncio.timeout(within_s):
                for _ in range(2):  # the one that runs now may have begun earlier
                    looked = self._looked
                    self._asked.set()
                    await looked.wait()
        except TimeoutError:
            raise psycopg.OperationalError("the events could not be read in time") from None

    async def look_back(self, after: Position, until: Position, limit: int) -> Look:
        """Read a page of the past, few at once.

        Raises psycopg.OperationalError.
        """
        async with self._turns:
            return await look(self._database, after, until, limit)

    def join(self, reader: Reader) -> None:
        """Make a reader that has everything up to `head` a live one."""
        if not self._live:
            self._asked.set()  # without live readers, looks are few
        self._live.setdefault(reader.selection, set()).add(reader)

    def leave(self, reader: Reader) -> None:
        """Forget a reader."""
        self.readers.discard(reader)
        group = self._live.get(reader.selection, set())
        group.discard(reader)
        if not group:
            self._live.pop(reader.selection, None)

    async def _look_on(self) -> None:
        while True:
            ring = self._bell.next_change
            pause = LOOK_EVERY_S
            try:
                pause = await self._look()
            except psycopg.OperationalError as error:
                log.log(logging.WARNING if self._database.up else logging.DEBUG, "looking for events failed: %s", error)
            except Exception:
                log.exception("looking for events failed")
            await _first_of([self._asked, ring] if self._live else [self._asked], pause)
            self._asked.clear()

    async def _look(self) -> float:
        """Look once, hand out what is new, and return the seconds after which to look again."""
        limit = self._limit if self._live else 0
        found = await look(self._database, self.head, limit=limit)
        self._limit = found.limit
        self.floor, self.newest = found.floor, found.head
        if self.epochs is None or found.epoch != self.epochs.id:
            await self._change_epoch(found)
        elif found.changes:
            self._hand_out(found.changes)
            self.head = found.changes[-1].position
        elif limit or not self._live:  # who came while it looked for none is not handed what it passed over
            self.head = max(self.head, found.head)
        behind = bool(self._live) and self.head < self.newest
        if not behind:
            self.sent_up_to = found.held_since or found.looked_at
        elif found.changes:
            self.sent_up_to = found.changes[-1].at
        looked, self._looked = self._looked, asyncio.Event()
        looked.set()
        if behind:
            return 0
        return LOOK_AGAIN_S if found.held_since else LOOK_EVERY_S

    async def _change_epoch(self, found: Look) -> None:
        """Go on in a new epoch; where some of what the readers saw was lost, tell them, and go on from there.

        Streams that catch up end: amid the past there is no place for a reset, and their next `Last-Event-ID` gets one.
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
        told = [reset("unknown", self.event_id(self.head))]
        live = {reader for group in self._live.values() for reader in group}
        for reader in live:
            reader.push(told)
        for reader in self.readers - live:
            reader.end()

    def _hand_out(self, changes: list[Change]) -> None:
        """Make the bytes once for all readers."""
        assert self.epochs is not None  # noqa: S101 - they were looked for in it
        blocks = [block(self.epochs.id, change) for change in changes]
        for selection, readers in list(self._live.items()):
            chosen = [made for made, change in zip(blocks, changes, strict=True) if selection.takes(change)]
            if chosen:
                for reader in list(readers):
                    reader.push(chosen)

    async def _recheck_keys(self) -> None:
        """End the streams whose key was revoked, expired, or lost the scope."""
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

    async def _end_at_silence(self) -> None:
        await self._bell.silenced.wait()
        for reader in list(self.readers):
            reader.end()


async def _first_of(events: Sequence[asyncio.Event], seconds: float) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()

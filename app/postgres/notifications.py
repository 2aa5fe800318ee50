"""LISTEN and NOTIFY: every process learns of new work and of changes, over one connection each."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from typing import Final

import msgspec
import psycopg

from app.postgres.pool import Connection, Database, connection_parameters
from app.postgres.statements import sql
from app.postgres.waiters import Labels, Waiters
from app.settings import Settings, SettingsError

log = logging.getLogger(__name__)

WORK: Final = "taskpulse_work"
"""The channel of tasks that somebody may claim now, which is also a change.

A message has the labels of tasks, and how many there are of each, as in `[[["print"], 2]]`. An empty one, which pods of
the release before send, means that there may be any tasks.
"""
CHANGES: Final = "taskpulse_changes"
"""The channel of all other changes."""
MOMENT_S = 0.02
"""All notifications within this time become one NOTIFY: commits that notify queue on one lock of the whole server."""
RECONNECT_S = 0.5
MESSAGE_BYTES = 7900
"""A little less than PostgreSQL allows."""
MOST_MESSAGES = 8
"""Beyond so many for one moment, a single empty one is sent."""

SEND = "select pg_notify(%(channel)s, message) from unnest(%(messages)s::text[]) as message"
WITH_ROOM = sql("queues/tasks_with_room")


class Notifier:
    """Wakes up waiting calls in every process.

    It may wake them for nothing, and in rare cases not at all: waiting calls need a deadline.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self.draining = asyncio.Event()
        """Set when the process is about to end: calls should stop waiting."""
        self._settings = settings
        self._database = database
        self.waiters = Waiters()
        """The calls that wait for work here."""
        self._change = asyncio.Event()
        self._changed = False
        self._anything = False
        self._room = False
        self._tasks: Counter[Labels] = Counter()
        """The tasks to tell of, by their labels."""
        self._notifying: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Listen until the context is left; a connection that breaks is replaced."""
        listening = asyncio.create_task(self._listen())
        try:
            yield
        finally:
            for task in filter(None, (listening, self._notifying)):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    @property
    def next_change(self) -> asyncio.Event:
        """The event that the next notification of either kind sets; take it before you look what has changed."""
        return self._change

    def notify_change(self) -> None:
        """Tell every process, within a moment, that something has changed; call it after the commit."""
        self._changed = True
        if self._notifying is None or self._notifying.done():
            self._notifying = asyncio.create_task(self._send())

    def notify_work(self, tasks: Iterable[Iterable[str]]) -> None:
        """Tell every process, within a moment, that somebody may claim tasks with these labels now.

        Call it after the commit. For each task, a process wakes one call that waits for it.
        """
        self._tasks.update(map(frozenset, tasks))
        self.notify_change()

    def notify_room(self) -> None:
        """Tell every process, within a moment, of ready tasks in limited queues that have room: a lease has ended.

        Call it after the commit.
        """
        self._room = True
        self.notify_change()

    def notify_anything(self) -> None:
        """Tell every process, within a moment, that there may be any tasks: all calls that wait look for work."""
        self._anything = True
        self.notify_change()

    async def _send(self) -> None:
        while self._changed:
            await asyncio.sleep(MOMENT_S)
            self._changed = False
            await self._find_room()
            channel, messages = CHANGES, [""]
            if self._anything or self._tasks:
                channel, messages = WORK, [""] if self._anything else _messages(self._tasks)
            self._anything, self._tasks = False, Counter()
            try:
                await self._database.fetch(SEND, {"channel": channel, "messages": messages})
            except psycopg.OperationalError:
                log.warning("a NOTIFY failed; who waits for work in another process asks again when the wait ends")

    async def _find_room(self) -> None:
        if not self._room:
            return
        self._room = False
        try:
            found = await self._database.fetch(WITH_ROOM, {})
        except psycopg.OperationalError:
            log.debug("looking for queues with room failed; the next sweep looks again")
        else:
            self._tasks.update(frozenset(labels) for (labels,) in found)

    async def _listen(self) -> None:
        while True:
            try:
                async with await Connection.connect(
                    **connection_parameters(self._settings), autocommit=True
                ) as connection:
                    for channel in (WORK, CHANGES):
                        await connection.execute(f"listen {channel}".encode())
                    while not self._database.up:  # noqa: ASYNC110 - there is no event for it
                        await asyncio.sleep(0.1)
                    self._wake(WORK, "")  # something may have been missed
                    async for notification in connection.notifies():
                        self._wake(notification.channel, notification.payload)
            except (psycopg.Error, SettingsError) as error:
                log.debug("not listening: %s", " ".join(str(error).split()))
            await asyncio.sleep(RECONNECT_S)

    def _wake(self, channel: str, message: str) -> None:
        self._change.set()
        self._change = asyncio.Event()
        if channel != WORK:
            return
        try:
            tasks = msgspec.json.decode(message, type=list[tuple[list[str], int]])
        except msgspec.MsgspecError:
            self.waiters.wake_all()
            return
        for labels, number in tasks:
            for _ in range(number):
                self.waiters.wake(frozenset(labels))


def _messages(tasks: Counter[Labels]) -> list[str]:
    """Return the messages of which each is short enough for a NOTIFY."""
    messages, size = [list[bytes]()], 0
    for labels, number in tasks.items():
        entry = msgspec.json.encode((sorted(labels), number))
        if size + len(entry) + 3 > MESSAGE_BYTES:
            messages, size = [*messages, []], 0
        messages[-1].append(entry)
        size += len(entry) + 1
    if len(messages) > MOST_MESSAGES:
        return [""]
    return [f"[{b','.join(entries).decode()}]" for entries in messages]

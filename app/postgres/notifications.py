"""LISTEN and NOTIFY: every process learns of new work and of changes, over one connection each."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Final, Literal

import psycopg

from app.postgres.pool import Connection, Database, connection_parameters
from app.settings import Settings, SettingsError

log = logging.getLogger(__name__)

WORK: Final = "taskpulse_work"
"""The channel of possible new work, which is also a change."""
CHANGES: Final = "taskpulse_changes"
"""The channel of all other changes."""
MOMENT_S = 0.02
"""All notifications within this time become one NOTIFY: commits that notify queue on one lock of the whole server."""
RECONNECT_S = 0.5


class Notifier:
    """Wakes up waiting calls in every process.

    It may wake them for nothing, and in rare cases not at all: waiting calls need a deadline.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self.draining = asyncio.Event()
        """Set when the process is about to end: calls should stop waiting."""
        self._settings = settings
        self._database = database
        self._work = asyncio.Event()
        self._change = asyncio.Event()
        self._pending = ""
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
    def next_work(self) -> asyncio.Event:
        """The event that the next notification of work sets; take it before you look whether there is work."""
        return self._work

    @property
    def next_change(self) -> asyncio.Event:
        """The event that the next notification of either kind sets; take it before you look what has changed."""
        return self._change

    def notify(self, channel: Literal["taskpulse_work", "taskpulse_changes"] = WORK) -> None:
        """Notify every process, within a moment; call it after the commit."""
        self._pending = WORK if WORK in (self._pending, channel) else channel
        if self._notifying is None or self._notifying.done():
            self._notifying = asyncio.create_task(self._send())

    async def _send(self) -> None:
        while self._pending:
            await asyncio.sleep(MOMENT_S)
            channel, self._pending = self._pending, ""
            try:
                await self._database.fetch("select pg_notify(%(channel)s, '')", {"channel": channel})
            except psycopg.OperationalError:
                log.warning("a NOTIFY failed; who waits for work in another process asks again when the wait ends")

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
                    self._wake(WORK)  # something may have been missed
                    async for notification in connection.notifies():
                        self._wake(notification.channel)
            except (psycopg.Error, SettingsError) as error:
                log.debug("not listening: %s", " ".join(str(error).split()))
            await asyncio.sleep(RECONNECT_S)

    def _wake(self, channel: str) -> None:
        self._change.set()
        self._change = asyncio.Event()
        if channel == WORK:
            self._work.set()
            self._work = asyncio.Event()

"""A bell that rings in every process when there may be new work: one LISTEN connection each, and few NOTIFYs."""

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
"""The channel of what may be new work; who waits for any change hears it too."""
CHANGES: Final = "taskpulse_changes"
"""The channel of all other changes."""
MOMENT_S = 0.02
"""All that rings within this time is one NOTIFY: commits that notify queue on one lock of the whole server."""
RECONNECT_S = 0.5


class Bell:
    """Tells those who wait in this process what happens in all of them; may ring for nothing, seldom fails to ring."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.silenced = asyncio.Event()
        """Set when the process is about to end: nobody should wait any more."""
        self._settings = settings
        self._database = database
        self._rung = asyncio.Event()
        self._changed = asyncio.Event()
        self._wanted = ""
        self._ringing: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Listen, over a connection that is made again whenever it breaks."""
        listening = asyncio.create_task(self._listen())
        try:
            yield
        finally:
            for task in filter(None, (listening, self._ringing)):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    @property
    def next_ring(self) -> asyncio.Event:
        """The event that the next ring sets; take it before you look whether there is work."""
        return self._rung

    @property
    def next_change(self) -> asyncio.Event:
        """The event that the next ring of either kind sets; take it before you look what has changed."""
        return self._changed

    def ring(self, channel: Literal["taskpulse_work", "taskpulse_changes"] = WORK) -> None:
        """Ring in every process, in a moment; call it after the commit."""
        self._wanted = WORK if WORK in (self._wanted, channel) else channel
        if self._ringing is None or self._ringing.done():
            self._ringing = asyncio.create_task(self._notify())

    async def _notify(self) -> None:
        while self._wanted:
            await asyncio.sleep(MOMENT_S)
            channel, self._wanted = self._wanted, ""
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
                    async for notice in connection.notifies():
                        self._wake(notice.channel)
            except (psycopg.Error, SettingsError) as error:
                log.debug("not listening: %s", " ".join(str(error).split()))
            await asyncio.sleep(RECONNECT_S)

    def _wake(self, channel: str) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
        if channel == WORK:
            self._rung.set()
            self._rung = asyncio.Event()

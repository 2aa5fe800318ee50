"""The figures of GET /v1/stats: tasks as they are now, and what workers did in each minute of the last hour."""

import asyncio
import time
from datetime import datetime, timedelta
from typing import NamedTuple, get_args

import msgspec

from app.metrics.tasks import QUERY, Figures
from app.postgres.pool import Database
from app.postgres.statements import sql
from app.tasks.model import Status

EVERY_S = 2.0
"""Seconds between two computations, at the least."""
LOAD = 0.05
"""Largest part of the time that computations may take: they come more rarely while they are slow."""
MINUTES = 60
MINUTE = timedelta(minutes=1)
OPEN_FOR = 2 * MINUTE
"""For how long after its end a minute is counted again, as a change may be committed late."""

PER_MINUTE = sql("metrics/changes_per_minute")


class TaskCounts(msgspec.Struct):
    """Tasks by status."""

    open: int
    in_progress: int
    done: int
    cancelled: int
    failed: int


class Minute(msgspec.Struct):
    """What workers did in one minute."""

    at: datetime
    """When the minute begins."""
    claimed: int
    completed: int
    failed: int
    """Attempts that workers ended so, and tasks that failed as their last attempt had expired."""
    expired: int


class Stats(msgspec.Struct):
    """How many tasks there are, and what workers did in the last hour."""

    computed_at: datetime
    tasks: TaskCounts
    ready: int
    """Open tasks that do not wait."""
    scheduled: int
    """Open tasks that wait."""
    quiet: int
    """Tasks in progress whose lease has expired, and that nobody has claimed since."""
    overdue: int
    """Tasks past `due_at` that are open or in progress."""
    minutes: list[Minute]
    """The last 60, the oldest first; the present one, which is not over, is the last."""


class MinuteRow(NamedTuple):
    """A row of changes_per_minute.sql."""

    now: datetime
    minute: datetime
    claimed: int
    completed: int
    failed: int
    expired: int


class StatsReader:
    """Computes the figures when somebody asks; all who ask within EVERY_S get the same."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._minutes: dict[datetime, Minute] = {}
        """Those that were counted, the oldest first."""
        self._computing: asyncio.Task[bytes] | None = None
        self._again_at = 0.0
        """When the figures are too old, in monotonic seconds."""

    async def read(self) -> bytes:
        """Return a Stats as JSON.

        Raises psycopg.OperationalError.
        """
        task = self._computing
        if task is None or (task.done() and time.monotonic() >= self._again_at):
            self._computing = task = asyncio.create_task(self._compute())
            task.add_done_callback(_retrieve)
        return await asyncio.shield(task)

    async def _compute(self) -> bytes:
        self._again_at = began = time.monotonic()
        [row] = await self._database.fetch(QUERY, {})
        figures = Figures._make(row)
        found = msgspec.json.decode(figures.tasks or b"{}", type=dict[str, int])
        tasks = TaskCounts(**{status: found.get(status, 0) for status in get_args(Status)})
        stats = Stats(
            computed_at=await self._count_changes(),
            tasks=tasks,
            ready=tasks.open - figures.scheduled,
            scheduled=figures.scheduled,
            quiet=figures.expired,
            overdue=figures.overdue,
            minutes=list(self._minutes.values()),
        )
        now = time.monotonic()
        self._again_at = max(began + EVERY_S, now + (now - began) / LOAD)
        return msgspec.json.encode(stats)

    async def _count_changes(self) -> datetime:
        """Count the changes of each minute that may have some more than it had; return the time of the database."""
        since = max(self._minutes) - OPEN_FOR if self._minutes else None
        rows = [MinuteRow._make(row) for row in await self._database.fetch(PER_MINUTE, {"since": since})]
        counted = {row.minute: Minute(*row[1:]) for row in rows}
        first = rows[-1].minute - (MINUTES - 1) * MINUTE
        before = {at: minute for at, minute in self._minutes.items() if first <= at < rows[0].minute}
        self._minutes = before | counted
        return rows[-1].now


def _retrieve(task: asyncio.Task[bytes]) -> None:
    """Take the exception of a computation whose askers are gone, so that asyncio does not log it."""
    if not task.cancelled():
        task.exception()

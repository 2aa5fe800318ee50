"""Queues: rules for the tasks with a label, and how many tasks each label has."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from app.postgres.pool import Connection, Database
from app.postgres.shares import Fetcher
from app.postgres.statements import sql
from app.problems import Problem
from app.tasks import cursor
from app.validation import Body

MOST = 50
"""Queues that there may be: each has metrics of its own, and each claim looks at all of them."""
BITE = 2000
"""Tasks of a lane whose lane one statement corrects."""
PATIENCE_S = 2.0
"""Seconds for which a change of a queue waits for what follows from it; the sweep does the rest."""
POLL_S = 0.005

LIST, GET = sql("queues/list_queues"), sql("queues/get_queue")
INSERT, UPDATE, DELETE = sql("queues/insert_queue"), sql("queues/update_queue"), sql("queues/delete_queue")
UNDER_WAY, CORRECT_LANES = sql("queues/claims_under_way"), sql("queues/correct_lanes")
LOCK = "lock table queues in share row exclusive mode"
"""Changes of queues come one after the other; claims, which lock rows, go on."""


class QueueRules(Body):
    """The rules for the tasks with a label; one that is absent or null does not apply."""

    paused: bool = False
    """Nobody can claim a task with the label; workers keep the leases they have."""
    max_leases: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    """The most unexpired leases on tasks with the label at a time; null: no limit."""
    ready_within_s: Annotated[int, Meta(ge=1, le=31_536_000)] | None = None
    """Seconds that a task with the label may be ready before an alert fires; null: no alert."""


class Queue(msgspec.Struct):
    """The queue of a label: the rules for tasks with it."""

    label: str
    paused: bool
    paused_at: datetime | None
    """Since when it is paused; null: it is not."""
    max_leases: int | None
    ready_within_s: int | None
    created_at: datetime
    updated_at: datetime
    version: int
    """Grows with every change; the entity tag is this number in quotes."""


class QueueFigures(msgspec.Struct):
    """A label in use: its unfinished tasks, and the rules of its queue."""

    label: str
    ready: int
    """Open tasks that do not wait."""
    scheduled: int
    """Open tasks that wait."""
    leased: int
    """Tasks with a live lease."""
    quiet: int
    """Tasks whose lease has expired, and that nobody has claimed since."""
    oldest_ready_at: datetime | None
    """When the one was made that has been ready for longest, or its wait ended; null: none is ready."""
    paused: bool
    max_leases: int | None
    ready_within_s: int | None


class QueuePage(msgspec.Struct):
    """A page of the list of labels; `next_cursor` is null on the last one."""

    items: list[QueueFigures]
    next_cursor: str | None


class QueueRow(NamedTuple):
    """A row of get_queue.sql, insert_queue.sql and update_queue.sql; `queue` is JSON."""

    version: int
    queue: bytes


class FiguresRow(NamedTuple):
    """A row of list_queues.sql; `queue` is a QueueFigures as JSON."""

    label: str
    queue: bytes


def queue_not_found(label: str) -> Problem:
    """Return the problem for a label that has no queue."""
    return Problem("not-found", f"The label {label!r} has no queue of its own.")


async def page(database: Fetcher, limit: int, after: str | None) -> tuple[bytes, str | None]:
    """Return the figures of up to `limit` labels after a cursor, as JSON with commas, and the cursor of the next page.

    Raises Problem: invalid-request, for a bad cursor.
    """
    last: str = cursor.decode(after, str, "queues") if after is not None else ""
    rows = [FiguresRow._make(row) for row in await database.fetch(LIST, {"after": last, "limit": limit + 1})]
    items = b",\n".join(row.queue for row in rows[:limit])
    return items, cursor.encode(rows[limit - 1].label, "queues") if len(rows) > limit else None


async def get(database: Fetcher, label: str) -> QueueRow:
    """Return the queue of a label.

    Raises Problem: not-found.
    """
    rows = await database.fetch(GET, {"label": label})
    if not rows:
        raise queue_not_found(label)
    return QueueRow._make(rows[0])


async def put(
    connection: Connection, label: str, rules: QueueRules, allow: Callable[[int | None], None]
) -> tuple[QueueRow, bool]:
    """Give a label these rules; return its queue, and whether it had none before.

    `allow` gets the present version, None where there is none, and raises what forbids the change.
    Raises Problem: too-many-queues; what `allow` raises.
    """
    values = {"label": label, **msgspec.structs.asdict(rules)}
    async with connection.transaction():
        await connection.execute(LOCK)
        present = await (await connection.execute(GET, values)).fetchone()
        allow(QueueRow._make(present).version if present else None)
        if present:
            row = await (await connection.execute(UPDATE, values)).fetchone()
        else:
            row = await (await connection.execute(INSERT, {**values, "most": MOST})).fetchone()
    if row is None:
        raise Problem("too-many-queues", f"There are {MOST} queues, which is as many as there may be.")
    return QueueRow._make(row), present is None


async def delete(connection: Connection, label: str, allow: Callable[[int | None], None]) -> None:
    """Delete the queue of a label, and with it the rules for its tasks.

    Raises Problem: not-found; what `allow` raises.
    """
    async with connection.transaction():
        await connection.execute(LOCK)
        present = await (await connection.execute(GET, {"label": label})).fetchone()
        if present is None:
            raise queue_not_found(label)
        allow(QueueRow._make(present).version)
        await connection.execute(DELETE, {"label": label})


async def settle(database: Database, connection: Connection) -> None:
    """Return once every claim follows a committed change of a queue, and its tasks have their lanes.

    Raises psycopg.OperationalError.
    """
    until = time.monotonic() + PATIENCE_S
    before = await _under_way(connection)
    while before and time.monotonic() < until:
        await asyncio.sleep(POLL_S)
        before &= await _under_way(connection)
    await correct_lanes(database, until)


async def _under_way(connection: Connection) -> set[str]:
    return {transaction for (transaction,) in await (await connection.execute(UNDER_WAY)).fetchall()}


async def correct_lanes(database: Database, until: float) -> None:
    """Bring tasks into the lanes of the present queues, until all are or a monotonic time has come.

    Raises psycopg.OperationalError.
    """
    while await database.fetch(CORRECT_LANES, {"bite": BITE}) and time.monotonic() < until:
        pass

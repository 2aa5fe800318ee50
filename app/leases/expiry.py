"""What follows when the deadline of a lease (fragments/lease_deadline.sql) passes without a pulse.

The task can be claimed from that moment, because claims (claim_tasks.sql, fragments/claim.sql) compare deadlines
themselves. The sweep here records what expired in history, ends tasks that have no attempts left, and wakes waiting
workers.
"""

import time
from typing import NamedTuple

from app.leases.queues import correct_lanes
from app.postgres.notifications import WITH_ROOM, Notifier
from app.postgres.pool import Database
from app.postgres.statements import sql

SWEEP_EVERY_S = 1.0
BITE = 1000
"""Tasks of which one statement notes that their wait is over."""

SWEEP, END_RESTS, EXPIRED_LATELY = sql("leases/sweep_leases"), sql("leases/end_rests"), sql("leases/expired_lately")


class SweptTask(NamedTuple):
    """A row of sweep_leases.sql."""

    status: str
    labels: list[str]


async def sweep(database: Database, notifier: Notifier) -> None:
    """Record expired attempts, end tasks to be cancelled or without attempts left, and note waits that are over.

    It also brings tasks into the lanes of their queues, and wakes calls that wait where a queue has room again.

    Processes that run this at once skip each other's rows.
    Raises psycopg.OperationalError.
    """
    if swept := [SweptTask._make(row) for row in await database.fetch(SWEEP, {})]:
        notifier.notify_work(task.labels for task in swept if task.status == "in_progress")
    await _end_rests(database, notifier)
    await correct_lanes(database, time.monotonic() + SWEEP_EVERY_S / 2)
    for (labels,) in await database.fetch(WITH_ROOM, {}):
        notifier.waiters.wake(frozenset(labels))  # here alone, as each process looks for itself
    if expired := await database.fetch(EXPIRED_LATELY, {}):
        notifier.notify_work(labels for (labels,) in expired)


async def _end_rests(database: Database, notifier: Notifier) -> None:
    """Note which waits are over, and tell of these tasks."""
    while rested := await database.fetch(END_RESTS, {"bite": BITE}):
        notifier.notify_work(labels for (labels,) in rested)
        if len(rested) < BITE:
            break

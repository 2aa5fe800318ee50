"""What follows when the deadline of a lease (fragments/lease_deadline.sql) passes without a pulse.

The task can be claimed from that moment, because claims (claim_tasks.sql, fragments/claim.sql) compare deadlines
themselves. The sweep here records what expired in history, ends tasks that have no attempts left, and wakes waiting
workers.
"""

from app.postgres.notifications import Notifier
from app.postgres.pool import Database
from app.postgres.statements import sql

SWEEP_EVERY_S = 1.0
BITE = 1000
"""Tasks of which one statement notes that their wait is over."""

SWEEP, END_RESTS, EXPIRED_LATELY = sql("leases/sweep_leases"), sql("leases/end_rests"), sql("leases/expired_lately")


async def sweep(database: Database, notifier: Notifier) -> None:
    """Record expired attempts, end tasks to be cancelled or without attempts left, and note waits that are over.

    Processes that run this at once skip each other's rows.
    Raises psycopg.OperationalError.
    """
    expired = await database.fetch(SWEEP, {})
    rested = await _end_rests(database)
    if expired or rested or await database.fetch(EXPIRED_LATELY, {}):
        notifier.notify()


async def _end_rests(database: Database) -> bool:
    """Note which waits are over, and return whether there were any."""
    found = False
    while rested := await database.fetch(END_RESTS, {"bite": BITE}):
        found = True
        if len(rested) < BITE:
            break
    return found

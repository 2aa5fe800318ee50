"""What follows when the deadline of a lease (fragments/lease_deadline.sql) passes without a pulse.

The task can be claimed from that moment, because claims (claim_tasks.sql, fragments/claim.sql) compare deadlines
themselves. The sweep here records what expired in history, ends tasks that have no attempts left, and wakes waiting
workers.
"""

from app.postgres.notifications import Notifier
from app.postgres.pool import Database
from app.postgres.statements import sql

SWEEP_EVERY_S = 1.0

SWEEP, END_RESTS, EXPIRED_LATELY = sql("leases/sweep_leases"), sql("leases/end_rests"), sql("leases/expired_lately")


async def sweep(database: Database, notifier: Notifier) -> None:
    """Record expired attempts, end tasks to be cancelled or without attempts left, and end pauses that are over.

    Processes that run this at once skip each other's rows.
    Raises psycopg.OperationalError.
    """
    expired = await database.fetch(SWEEP, {})
    rested = await database.fetch(END_RESTS, {})
    if expired or rested or await database.fetch(EXPIRED_LATELY, {}):
        notifier.notify()

"""Writes down what time alone has done to leases. No claim depends on it: an expired lease is claimable as it is."""

from app.postgres.notifications import Notifier
from app.postgres.pool import Database
from app.postgres.statements import sql

SWEEP_EVERY_S = 1.0

SWEEP, END_RESTS, EXPIRED_LATELY = sql("leases/sweep_leases"), sql("leases/end_rests"), sql("leases/expired_lately")


async def sweep(database: Database, notifier: Notifier) -> None:
    """Note expired leases, end tasks that are to be cancelled or have no attempt left, and end rests that are over.

    Many processes may do so at once: rows that another one has locked are left to it.
    Raises psycopg.OperationalError.
    """
    expired = await database.fetch(SWEEP, {})
    rested = await database.fetch(END_RESTS, {})
    if expired or rested or await database.fetch(EXPIRED_LATELY, {}):
        notifier.notify()

"""Deletes what need not be kept: old history, and idempotent answers that have expired."""

import asyncio
import logging

from app.postgres.pool import Database
from app.postgres.statements import sql

log = logging.getLogger(__name__)

PRUNE_EVERY_S = 10
BITE = 200
"""Rows a statement deletes: few, as the answer of one batch may be 8 MiB."""
PAUSE_S = 0.1
"""Seconds between two bites, left to the requests."""

STATEMENTS = (sql("idempotency/prune_idempotency_keys"), sql("events/prune_history"))


async def prune(database: Database, history_days: int) -> None:
    """Delete all that is due, bite by bite; many processes may do so at once, each skips the rows that another has.

    Raises psycopg.OperationalError.
    """
    deleted = 0
    for statement in STATEMENTS:
        while bite := await database.fetch(statement, {"bite": BITE, "days": history_days}):
            deleted += len(bite)
            await asyncio.sleep(PAUSE_S)
    if deleted:
        log.info("pruned %s rows of history and idempotency keys", deleted)

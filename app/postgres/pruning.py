"""Deletes old history and expired idempotent responses."""

import asyncio
import logging

from app.postgres.pool import Database
from app.postgres.statements import sql

log = logging.getLogger(__name__)

PRUNE_EVERY_S = 10
BITE = 200
"""Rows that one statement deletes: few, as the response to one batch may have 8 MiB."""
PAUSE_S = 0.1
"""Seconds between two statements, to leave room for requests."""

STATEMENTS = (sql("idempotency/prune_idempotency_keys"), sql("events/prune_history"))


async def prune(database: Database, history_days: int) -> None:
    """Delete everything that is due, BITE rows at a time; processes that run this at once skip each other's rows.

    Raises psycopg.OperationalError.
    """
    deleted = 0
    for statement in STATEMENTS:
        while bite := await database.fetch(statement, {"bite": BITE, "days": history_days}):
            deleted += len(bite)
            await asyncio.sleep(PAUSE_S)
    if deleted:
        log.info("pruned %s rows of history and idempotency keys", deleted)

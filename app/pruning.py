"""Deletes in the background what need not be kept: old history, and idempotent answers that have expired."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import psycopg

from app.database import Database, sql

log = logging.getLogger(__name__)

EVERY_S = 60
RETRY_S = 5
"""Seconds until the next try where the database was away."""
BITE = 200
"""Rows a statement deletes: few, as the answer of one batch may be 8 MiB."""
PAUSE_S = 0.1
"""Seconds between two bites, left to the requests."""

STATEMENTS = (sql("prune_idempotency_keys"), sql("prune_history"))


@contextlib.asynccontextmanager
async def background(database: Database, history_days: int) -> AsyncIterator[None]:
    """Prune now and then; any number of processes may do so at once, as each skips the rows that another has."""
    task = asyncio.create_task(_prune_for_ever(database, history_days))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def prune(database: Database, history_days: int) -> int:
    """Delete all that is due, bite by bite, and return the number of rows.

    Raises psycopg.Error.
    """
    deleted = 0
    for statement in STATEMENTS:
        bite = BITE
        while bite == BITE:
            async with database.connection() as connection:
                bite = (await connection.execute(statement, {"bite": BITE, "days": history_days})).rowcount
            deleted += bite
            await asyncio.sleep(PAUSE_S)
    return deleted


async def _prune_for_ever(database: Database, history_days: int) -> None:
    while True:
        try:
            if deleted := await prune(database, history_days):
                log.info("pruned %s rows of history and idempotency keys", deleted)
            pause = EVERY_S
        except psycopg.OperationalError:
            pause = RETRY_S
        except psycopg.Error:
            log.exception("pruning failed")
            pause = EVERY_S
        await asyncio.sleep(pause)

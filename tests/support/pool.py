"""A connection pool of the service, in the test's own process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from app.postgres.pool import Database
from app.settings import Settings


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    """Yield a pool that has reached the database."""
    database = Database(settings)
    async with database.open():
        while not database.up:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)
        yield database

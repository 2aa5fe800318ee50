"""Work in the background, again and again, that survives a database that is away and stops with the service."""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import psycopg

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def periodically(work: Callable[[], Awaitable[object]], every_s: float) -> AsyncIterator[None]:
    """Call `work` now and then every so many seconds, a little varied, so that many processes do not march in step."""

    async def run() -> None:
        while True:
            try:
                await work()
            except psycopg.OperationalError as error:
                log.debug("%s: %s", work.__name__, error)
            except Exception:
                log.exception("%s failed", work.__name__)
            await asyncio.sleep(every_s * random.uniform(1, 1.2))  # noqa: S311 - no secret

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

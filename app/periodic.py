"""Periodic jobs in the background: they survive a database outage and stop with the service."""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import psycopg

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def periodically(work: Callable[[], Awaitable[object]], every_s: float) -> AsyncIterator[None]:
    """Call `work` now and then every `every_s` seconds, with jitter, so that processes do not run in step."""

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

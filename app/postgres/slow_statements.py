"""Runs statements that may take long: they never take all connections, and one key never takes all their turns.

Reads, claims and pulses of single tasks have the rest of the pool to themselves.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, LiteralString, Protocol
from weakref import WeakValueDictionary

from psycopg.sql import Composed
from psycopg_pool import PoolTimeout

from app.postgres.pool import POOL_TIMEOUT_S, Database, Row


class Fetcher(Protocol):
    """What runs one statement and returns its rows, as `Database.fetch` does."""

    async def fetch(
        self, query: LiteralString | Composed, parameters: Mapping[str, Any], *, prepare: bool | None = None
    ) -> list[Row]: ...


class SlowStatements:
    """Turns for slow statements: half of the pool has them, and all but one of these turns may be one key's."""

    def __init__(self, database: Database, pool_size: int) -> None:
        self._database = database
        most = max(1, pool_size // 2)
        self._turns = asyncio.Semaphore(most)
        self._turns_of_a_key = max(1, most - 1)
        self._by_key: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def of(self, key_id: str, *, patient: bool = False) -> Fetcher:
        """Return what runs statements of a key; each waits for its turn, as long as it takes if it is `patient`."""
        own = self._by_key.get(key_id) or asyncio.Semaphore(self._turns_of_a_key)
        self._by_key[key_id] = own
        return _OfAKey(self._database, own, self._turns, None if patient else 2 * POOL_TIMEOUT_S)


class _OfAKey:
    def __init__(
        self, database: Database, own: asyncio.Semaphore, all_turns: asyncio.Semaphore, patience_s: float | None
    ) -> None:
        self._database = database
        self._own = own
        self._all = all_turns
        self._patience_s = patience_s

    async def fetch(
        self, query: LiteralString | Composed, parameters: Mapping[str, Any], *, prepare: bool | None = None
    ) -> list[Row]:
        """Run a statement when it is its turn.

        Raises psycopg.OperationalError, as `Database.fetch` does, and its subclass PoolTimeout if no turn comes.
        """
        async with self._turn():
            return await self._database.fetch(query, parameters, prepare=prepare)

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as turns:
            try:
                async with asyncio.timeout(self._patience_s):
                    await turns.enter_async_context(self._own)
                    await turns.enter_async_context(self._all)
            except TimeoutError:
                raise PoolTimeout("other slow statements had all turns") from None
            yield

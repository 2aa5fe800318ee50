"""Runs statements of keys in turns, so that one key or one kind of statement never takes all connections of the pool.

Statements that many calls share (`app.postgres.batching`) take no turn.
"""

import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, LiteralString, Protocol

from psycopg.sql import Composed

from app.limits import PATIENCE_S, Turns
from app.postgres.pool import Connection, Database, Row


class Fetcher(Protocol):
    """What runs one statement and returns its rows, as `Database.fetch` does."""

    async def fetch(
        self, query: LiteralString | Composed, parameters: Mapping[str, Any], *, prepare: bool | None = None
    ) -> list[Row]: ...


class Shares:
    """Shares out some of the pool's connections among keys."""

    def __init__(self, database: Database, turns: Turns) -> None:
        self._database = database
        self._turns = turns

    def of(self, key_id: str, *, patient: bool = False) -> "Share":
        """Return what runs statements of a key; each waits for its turn, as long as it takes if it is `patient`."""
        return Share(self._database, self._turns, key_id, None if patient else PATIENCE_S)


class Share:
    """The connections that a key may have."""

    def __init__(self, database: Database, turns: Turns, key_id: str, patience_s: float | None) -> None:
        self._database = database
        self._turns = turns
        self._key_id = key_id
        self._patience_s = patience_s

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection in autocommit mode when it is the key's turn.

        Raises Problem: limit-reached, overloaded, if no turn comes; psycopg.OperationalError.
        """
        since = await self._begin()
        try:
            async with self._database.connection() as connection:
                yield connection
        finally:
            self._end(since)

    async def fetch(
        self, query: LiteralString | Composed, parameters: Mapping[str, Any], *, prepare: bool | None = None
    ) -> list[Row]:
        """Run a statement when it is the key's turn.

        Raises as `connection` does.
        """
        since = await self._begin()
        try:
            return await self._database.fetch(query, parameters, prepare=prepare)
        finally:
            self._end(since)

    async def _begin(self) -> float:
        """Return when the key's turn began, in monotonic seconds."""
        await self._turns.take(self._key_id, self._patience_s)
        return time.monotonic()

    def _end(self, since: float) -> None:
        self._turns.give_back(self._key_id, time.monotonic() - since)

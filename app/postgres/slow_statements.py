"""Runs statements that may take long: they never take all connections, and one key never takes all their turns.

Reads, claims and pulses of single tasks have the rest of the pool to themselves.
"""

from collections.abc import Mapping
from typing import Any, LiteralString, Protocol

from psycopg.sql import Composed

from app.limits import Turns
from app.postgres.pool import Database, Row

PATIENCE_S = 3.0


class Fetcher(Protocol):
    """What runs one statement and returns its rows, as `Database.fetch` does."""

    async def fetch(
        self, query: LiteralString | Composed, parameters: Mapping[str, Any], *, prepare: bool | None = None
    ) -> list[Row]: ...


class SlowStatements:
    """Runs statements of keys in turns."""

    def __init__(self, database: Database, turns: Turns) -> None:
        self._database = database
        self._turns = turns

    def of(self, key_id: str, *, patient: bool = False) -> Fetcher:
        """Return what runs statements of a key; each waits for its turn, as long as it takes if it is `patient`."""
        return _OfAKey(self._database, self._turns, key_id, None if patient else PATIENCE_S)


class _OfAKey:
    def __init__(self, database: Database, turns: Turns, key_id: str, patience_s: float | None) -> None:
        self._database = database
        self._turns = turns
        self._key_id = key_id
        self._patience_s = patience_s

    async def fetch(
        self, query: LiteralString | Composed, parameters: Mapping[str, Any], *, prepare: bool | None = None
    ) -> list[Row]:
        """Run a statement when it is its turn.

        Raises Problem: limit-reached, overloaded, if no turn comes; psycopg.OperationalError.
        """
        await self._turns.take(self._key_id, self._patience_s)
        try:
            return await self._database.fetch(query, parameters, prepare=prepare)
        finally:
            self._turns.give_back(self._key_id)

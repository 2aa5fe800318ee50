"""Look-ups of one moment that share one query."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

import psycopg

K = TypeVar("K")
V = TypeVar("V")

MOST = 100
"""Keys of one query at the most."""
LANES = 2
"""Queries at a time: one is worked on here while PostgreSQL answers the other."""


class Shared(Generic[K, V]):
    """Looks keys up together that are asked for while earlier queries are still under way.

    A key joins only a query that is yet to be sent, so the answer holds all that was committed before it was asked for.
    """

    def __init__(self, look_up: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._look_up = look_up
        self._waiting: list[tuple[K, asyncio.Future[V | None]]] = []
        self._lanes: set[asyncio.Task[None]] = set()

    async def get(self, key: K) -> V | None:
        """Return what there is for a key; raises what the query raises."""
        answer: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, answer))
        if len(self._lanes) < LANES:
            lane = asyncio.create_task(self._serve())
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        return await answer

    async def _serve(self) -> None:
        """Ask until nobody waits; all who came in one turn of the event loop are in the first query."""
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            await self._ask([(key, answer) for key, answer in batch if not answer.done()])

    async def _ask(self, batch: Sequence[tuple[K, asyncio.Future[V | None]]]) -> None:
        try:
            found = await self._look_up([key for key, _ in batch])
        except Exception as error:  # noqa: BLE001 - it is raised where somebody waits
            if len(batch) > 1 and not isinstance(error, psycopg.OperationalError):
                for one in batch:  # whose fault it is shows when each is asked for alone
                    await self._ask([one])
                return
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
        else:
            for key, answer in batch:
                if not answer.done():
                    answer.set_result(found.get(key))

"""Calls of one moment that share one statement."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import psycopg

A = TypeVar("A")
R = TypeVar("R")

MOST = 100
"""Calls that share one statement at the most."""
LANES = 2
"""Statements at a time: one is worked on here while PostgreSQL answers the other."""


class Shared(Generic[A, R]):
    """Answers together the calls that came while earlier statements were under way.

    A call joins only a statement that is yet to be sent, so that the answer knows all that was committed before the
    call came. `together` gets the arguments of some calls and returns their results in the same order; it must do all
    or nothing, as it is called again for each alone when it fails.
    """

    def __init__(self, together: Callable[[Sequence[A]], Awaitable[Sequence[R]]]) -> None:
        self._together = together
        self._waiting: list[tuple[A, asyncio.Future[R]]] = []
        self._running = 0
        self._lanes: set[asyncio.Task[None]] = set()

    async def __call__(self, argument: A) -> R:
        """Return the result for one argument; raises what `together` raises for it alone.

        A psycopg.OperationalError, which has the database for its reason, all get who share the statement.
        """
        result: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((argument, result))
        if self._running < LANES:
            self._running += 1
            lane = asyncio.create_task(self._serve())
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        return await result

    async def _serve(self) -> None:
        """Go on until nobody waits; all who came in one turn of the event loop share the first statement."""
        try:
            while self._waiting:
                calls, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                await self._answer(calls)
        finally:  # at once, and not in a callback: a call that comes before that would wait for a lane that has ended
            self._running -= 1

    async def _answer(self, calls: Sequence[tuple[A, asyncio.Future[R]]]) -> None:
        try:
            results = await self._together([argument for argument, _ in calls])
        except Exception as error:  # noqa: BLE001 - it is raised where somebody waits
            if len(calls) > 1 and not isinstance(error, psycopg.OperationalError):
                for call in calls:
                    await self._answer([call])
                return
            for _, result in calls:
                if not result.done():
                    result.set_exception(error)
        else:
            for (_, result), value in zip(calls, results, strict=True):
                if not result.done():
                    result.set_result(value)

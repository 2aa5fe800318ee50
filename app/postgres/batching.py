"""Batches calls: those that arrive while a statement runs share the next statement."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import psycopg

A = TypeVar("A")
R = TypeVar("R")

MOST = 100
"""Calls that share one statement at the most."""
PATIENCE_S = 0.01
"""Seconds after which a statement holds up the next calls no longer: they get another lane."""
LANES = 4
"""Statements at a time, at the most."""


class Batcher(Generic[A, R]):
    """Answers together the calls that came while an earlier statement was under way.

    A call joins only a statement that is yet to be sent, so that the answer knows all that was committed before the
    call came. `together` gets the arguments of some calls and returns their results in the same order; it must do all
    or nothing, as it is called again for each alone when it fails.
    """

    def __init__(self, together: Callable[[Sequence[A]], Awaitable[Sequence[R]]]) -> None:
        self._together = together
        self._waiting: list[tuple[A, asyncio.Future[R]]] = []
        self._lane: asyncio.Task[None] | None = None
        """The one that takes the calls that come next."""
        self._slow: set[asyncio.Task[None]] = set()
        """Those whose statement has taken longer than PATIENCE_S."""

    async def __call__(self, argument: A) -> R:
        """Return the result for one argument; raises what `together` raises for it alone.

        A psycopg.OperationalError, which has the database for its reason, all get who share the statement.
        """
        result: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((argument, result))
        self._open_lane()
        return await result

    def _open_lane(self) -> None:
        if self._waiting and self._lane is None and len(self._slow) < LANES:
            self._lane = asyncio.create_task(self._serve())

    async def _serve(self) -> None:
        """Go on until nobody waits; all who came in one turn of the event loop share the first statement."""
        lane, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert lane is not None  # noqa: S101 - this runs in one
        try:
            while self._waiting and self._lane is lane:
                calls, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                relief = loop.call_later(PATIENCE_S, self._relieve)
                try:
                    await self._answer(calls)
                finally:
                    relief.cancel()
        finally:  # a done callback would run later, and who comes until then would take this lane for one that serves
            self._slow.discard(lane)
            if self._lane is lane:
                self._lane = None
            self._open_lane()

    def _relieve(self) -> None:
        """Let others serve the next calls while this lane's statement takes its time."""
        if self._lane is not None:
            self._slow.add(self._lane)
            self._lane = None
            self._open_lane()

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

"""Batches calls: those that arrive while a statement runs share the next statement."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import psycopg

A = TypeVar("A")
R = TypeVar("R")

MOST = 100
"""Largest number of calls in one statement."""
PATIENCE_S = 0.01
"""Seconds after which a statement no longer holds up the next calls: another lane serves them."""
LANES = 4
"""Largest number of statements at a time."""


class Batcher(Generic[A, R]):
    """Collects calls while a statement runs, and answers all of them with the next statement.

    A call joins only a statement that has not been sent yet, so that its result includes everything that was committed
    before the call. `run_batch` gets the arguments of some calls and returns their results in the same order. It must
    do all or nothing: when it fails, it runs again for each call alone.
    """

    def __init__(self, run_batch: Callable[[Sequence[A]], Awaitable[Sequence[R]]]) -> None:
        self._run_batch = run_batch
        self._waiting: list[tuple[A, asyncio.Future[R]]] = []
        self._lane: asyncio.Task[None] | None = None
        """The task that serves the next calls."""
        self._slow: set[asyncio.Task[None]] = set()
        """Lanes whose statement has taken longer than PATIENCE_S."""

    async def __call__(self, argument: A) -> R:
        """Return the result for one argument.

        Raises what `run_batch` raises for this argument alone, but a psycopg.OperationalError of the whole batch: its
        cause is the database, not an argument.
        """
        result: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((argument, result))
        self._open_lane()
        return await result

    def _open_lane(self) -> None:
        if self._waiting and self._lane is None and len(self._slow) < LANES:
            self._lane = asyncio.create_task(self._serve())

    async def _serve(self) -> None:
        """Serve until no call waits; all calls of one event-loop turn share the first statement."""
        lane, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert lane is not None  # noqa: S101 - this always runs in a task
        try:
            while self._waiting and self._lane is lane:
                calls, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                relief = loop.call_later(PATIENCE_S, self._relieve)
                try:
                    await self._answer(calls)
                finally:
                    relief.cancel()
        finally:  # not a done callback: a call that arrives before it ran would wait on a lane that has stopped
            self._slow.discard(lane)
            if self._lane is lane:
                self._lane = None
            self._open_lane()

    def _relieve(self) -> None:
        """Let another lane serve the next calls while this one's statement takes long."""
        if self._lane is not None:
            self._slow.add(self._lane)
            self._lane = None
            self._open_lane()

    async def _answer(self, calls: Sequence[tuple[A, asyncio.Future[R]]]) -> None:
        try:
            results = await self._run_batch([argument for argument, _ in calls])
        except Exception as error:  # noqa: BLE001 - it is raised in the waiting calls
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

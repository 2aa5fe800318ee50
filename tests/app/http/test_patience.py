"""How long a call waits, on an event loop alone."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

from litestar import Request

from app.http.long_poll import Patience, wait_for_work
from app.limits import Turns
from app.postgres.waiters import Waiters


def test_a_client_that_leaves_as_the_time_ends_is_no_error() -> None:
    async def scenario() -> tuple[bool, list[dict[str, Any]]]:
        loop, errors = asyncio.get_running_loop(), list[dict[str, Any]]()
        loop.set_exception_handler(lambda _, context: errors.append(context))
        registered: list[Callable[[], None] | None] = []
        patience = Patience(60, {"extensions": {"on_leave": registered.append}})
        waits = asyncio.create_task(patience.lasts(asyncio.Event().wait()))
        await asyncio.sleep(0)
        [leave] = registered
        assert leave is not None
        leave()  # the time ends in the next turn of the loop,
        loop.call_soon(leave)  # and in the same turn the client leaves
        return await asyncio.wait_for(waits, 20), errors

    assert asyncio.run(scenario()) == (False, [])


class Process:
    """What calls that wait share: turns to look for work, and who is asleep."""

    def __init__(self, turns: int) -> None:
        self.waiters = Waiters()
        self.turns = Turns("looks_for_work", "looks for work", turns, turns)

    async def call(self, attempt: Callable[[], Awaitable[str | None]]) -> str | None:
        """Wait for work with no time left, as after a wait."""
        notifier = SimpleNamespace(waiters=self.waiters, draining=asyncio.Event())
        services = SimpleNamespace(notifier=notifier, limits=SimpleNamespace(looks_for_work=self.turns))
        scope: Any = {
            "type": "http",
            "state": {"services": services, "key_id": "key"},
            "extensions": {"on_leave": lambda _: None},
        }
        return await wait_for_work(attempt, lambda _: (), frozenset(), 0, Request[Any, Any, Any](scope))


def test_calls_whose_time_is_up_end_though_there_may_be_work_and_no_turn_is_free() -> None:
    """Else each that is woken asks for a turn for ever, and the process does nothing else."""

    async def never() -> str | None:
        raise AssertionError("looked without a turn")

    async def scenario() -> list[str | None]:
        process = Process(turns=1)
        await process.turns.take("key")
        calls = [asyncio.create_task(process.call(never)) for _ in range(3)]
        await asyncio.sleep(0)
        process.waiters.wake_all()
        return await asyncio.wait_for(asyncio.gather(*calls), 20)

    assert asyncio.run(scenario()) == [None, None, None]


def test_a_call_whose_time_is_up_looks_no_more_though_tasks_keep_waking_it() -> None:
    async def scenario() -> int:
        process, looks = Process(turns=1), 0

        async def look() -> str | None:
            nonlocal looks
            looks += 1
            process.waiters.wake_all()
            return None if looks < 100 else "too late"

        assert await process.call(look) is None
        return looks

    assert asyncio.run(scenario()) == 1

"""How long a call waits, on an event loop alone."""

import asyncio
from collections.abc import Callable
from typing import Any

from app.http.long_poll import Patience


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

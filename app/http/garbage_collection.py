"""The garbage collector of a process that serves requests."""

import asyncio
import gc
from collections.abc import Callable

CHECK_EVERY_S = 10.0
FEW_CONNECTIONS = 500
"""Open connections up to which a full collection is short: about 25 ms."""
AT_LEAST_EVERY_S = 3600.0
"""Seconds after which there is a full collection although many connections are open."""
YOUNG, MIDDLE, NEVER = 5_000, 4, 1_000_000
"""Allocations before a collection of the youngest objects, and how many of these before one of the next generation.

The middle generation has 25,000 objects at most, which take about 15 ms.
"""


def tune_garbage_collection(loop: asyncio.AbstractEventLoop, connections: Callable[[], int]) -> None:
    """Exclude what exists now from collections, and make the others short; call it once, after startup.

    A full collection takes 0.1 s and more while thousands of requests wait, and finds hardly anything: what a request
    needs has no reference cycles. So it waits until few `connections` are open.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, NEVER)
    _check(loop, connections, loop.time())


def _check(loop: asyncio.AbstractEventLoop, connections: Callable[[], int], collected_at: float) -> None:
    _, _, since_full = gc.get_count()
    late = loop.time() - collected_at > AT_LEAST_EVERY_S
    if since_full and (late or connections() <= FEW_CONNECTIONS):
        gc.collect()
        collected_at = loop.time()
    loop.call_later(CHECK_EVERY_S, _check, loop, connections, collected_at)

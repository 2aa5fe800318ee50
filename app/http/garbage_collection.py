"""The garbage collector of a process that serves requests."""

import asyncio
import gc
import resource
from collections.abc import Callable

YOUNG_EVERY_S = 0.5
"""Seconds between collections of new objects: what lives after one is not looked at by the next."""
YOUNG, NEVER = 5_000, 1_000_000
"""New objects after which there is such a collection at once; no other one is automatic."""
FULL_EVERY_S = 60.0
FEW_CONNECTIONS = 500
"""Open connections up to which a full collection is short: about 25 ms."""
AT_LEAST_EVERY_S = 3600.0
"""Seconds after which there is a full collection although many connections are open."""
FIRST_GROWTH, GROWTH = 96 * 1024, 32 * 1024
"""KiB by which the largest resident memory grows before there is one too: it may be garbage."""


def tune_garbage_collection(loop: asyncio.AbstractEventLoop, connections: Callable[[], int]) -> None:
    """Exclude what exists now from collections, and make the others short; call it once, after startup.

    A full collection takes 0.1 s and more while thousands of requests wait, and finds hardly anything: what a request
    needs has no reference cycles. So it waits until few `connections` are open, or until memory has grown.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, NEVER, NEVER)
    _collect(loop, connections, loop.time(), _peak() + FIRST_GROWTH)


def _collect(loop: asyncio.AbstractEventLoop, connections: Callable[[], int], full_at: float, up_to: int) -> None:
    """Collect new objects, or all of them if that is due; up to `up_to` KiB of memory are no reason."""
    since_full, peak = loop.time() - full_at, _peak()
    is_short = since_full > FULL_EVERY_S and connections() <= FEW_CONNECTIONS
    if is_short or since_full > AT_LEAST_EVERY_S or peak > up_to:
        gc.collect()
        full_at, up_to = loop.time(), max(up_to, peak + GROWTH)
    else:
        gc.collect(0)
    loop.call_later(YOUNG_EVERY_S, _collect, loop, connections, full_at, up_to)


def _peak() -> int:
    """Return the largest resident memory of this process so far, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

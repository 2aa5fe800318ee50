"""Long polling by `Prefer: wait=N` (RFC 7240): a claim that waits for work, and queries only when there may be some."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from litestar import Request

from app.http.auth import actor
from app.http.request_headers import get_header
from app.http.services import services

T = TypeVar("T")

MAX_WAIT_S = 30
_WAIT = re.compile(r'(?:^|,)\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:;[^,]*)?(?=,|$)', re.IGNORECASE)

_queues: WeakValueDictionary[frozenset[str], asyncio.Lock] = WeakValueDictionary()


def preferred_wait(request: Request[Any, Any, Any]) -> int:
    """Return the seconds that the client wants to wait: at most 30, and 0 by default."""
    match = _WAIT.search(get_header(request, b"prefer") or "")
    return min(int(match[1]), MAX_WAIT_S) if match else 0


async def wait_for_work(
    attempt: Callable[[], Awaitable[T | None]], labels: frozenset[str], seconds: int, request: Request[Any, Any, Any]
) -> T | None:
    """Return what `attempt` finds within `seconds`, or None; None at once when the client disconnects or we drain.

    Calls that wait for the same labels form a queue: only the first one queries, and the next one after it got
    something, so that one new task does not wake a hundred calls. Calls for different labels all wake up, but only few
    of them query at the same time.
    """
    notifier, turns = services(request).notifier, services(request).limits.looks_for_work
    extensions: Any = request.scope["extensions"]
    half_closed: asyncio.Event = extensions["half_closed"]()
    key_id = actor(request)
    end = asyncio.get_running_loop().time() + seconds
    leaving: set[asyncio.Future[Any]] = {
        asyncio.ensure_future(_disconnected(request)),
        asyncio.ensure_future(half_closed.wait()),
        asyncio.ensure_future(notifier.draining.wait()),
    }
    queue = _queues.setdefault(labels, asyncio.Lock())

    async def attempt_in_turn() -> T | None:
        if not await _until(turns.take(key_id), end, leaving):
            return None
        try:
            return await attempt()
        finally:
            turns.give_back(key_id)

    try:
        if (found := await attempt_in_turn()) is not None:
            return found
        if not await _until(queue.acquire(), end, leaving):
            return None
        try:
            while True:
                work = notifier.next_work
                if (found := await attempt_in_turn()) is not None:
                    return found
                if not await _until(work.wait(), end, leaving):
                    return None
        finally:
            queue.release()
    finally:
        for task in leaving:
            task.cancel()


async def _until(event: Awaitable[Any], end: float, leaving: set[asyncio.Future[Any]]) -> bool:
    """Return whether `event` happened before `end` (seconds of the loop's clock) and before any of `leaving`."""
    waiting = asyncio.ensure_future(event)
    remaining = end - asyncio.get_running_loop().time()
    try:
        await asyncio.wait({waiting, *leaving}, timeout=max(0, remaining), return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not waiting.done():
            waiting.cancel()
            await asyncio.wait({waiting})
    return not waiting.cancelled()


async def _disconnected(request: Request[Any, Any, Any]) -> None:
    """Return when the client has disconnected: a task claimed for it would be lost."""
    while (await request.receive())["type"] != "http.disconnect":
        pass

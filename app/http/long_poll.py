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
    """Return what `attempt` finds within `seconds`, or None; None at once when the client ends its side or we drain.

    Calls that wait for the same labels form a queue: only the first one queries, and the next one after it got
    something, so that one new task does not wake a hundred calls. Calls for different labels all wake up, but only few
    of them query at the same time.
    """
    notifier, turns = services(request).notifier, services(request).limits.looks_for_work
    key_id, patience = actor(request), Patience(0 if notifier.draining.is_set() else seconds, request.scope)
    queue = _queues.setdefault(labels, asyncio.Lock())

    async def attempt_in_turn() -> T | None:
        if not await patience.lasts(turns.take(key_id)):
            return None
        try:
            return await attempt()
        finally:
            turns.give_back(key_id)

    try:
        if (found := await attempt_in_turn()) is not None:
            return found
        if not await patience.lasts(queue.acquire()):
            return None
        try:
            while True:
                work = notifier.next_work
                if (found := await attempt_in_turn()) is not None:
                    return found
                if not await patience.lasts(work.wait()):
                    return None
        finally:
            queue.release()
    finally:
        patience.end()


class Patience:
    """For how long a call waits: `seconds`, or until its client ends its side or the process drains."""

    def __init__(self, seconds: float, scope: Any) -> None:
        self._until = asyncio.get_running_loop().time() + seconds
        self._waiting: asyncio.Timeout | None = None
        self._on_leave = scope["extensions"]["on_leave"]
        self._on_leave(self._leave)

    async def lasts(self, event: Awaitable[Any]) -> bool:
        """Return whether `event` happened in time; what waits for it is cancelled otherwise."""
        try:
            async with asyncio.timeout_at(self._until) as self._waiting:
                await event
        except TimeoutError:
            return False
        finally:
            self._waiting = None
        return True

    def end(self) -> None:
        """Forget the client."""
        self._on_leave(None)

    def _leave(self) -> None:
        self._until = asyncio.get_running_loop().time()
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(self._until)

"""Long polling by `Prefer: wait=N` (RFC 7240): a claim that waits for work, and queries only when there may be some."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from litestar import Request

from app.http.auth import actor
from app.http.request_headers import get_header
from app.http.services import services
from app.postgres.waiters import Labels

T = TypeVar("T")

MAX_WAIT_S = 30
_WAIT = re.compile(r'(?:^|,)\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:;[^,]*)?(?=,|$)', re.IGNORECASE)


def preferred_wait(request: Request[Any, Any, Any]) -> int:
    """Return the seconds that the client wants to wait: at most 30, and 0 by default."""
    match = _WAIT.search(get_header(request, b"prefer") or "")
    return min(int(match[1]), MAX_WAIT_S) if match else 0


async def wait_for_work(
    attempt: Callable[[], Awaitable[T | None]],
    labels_taken: Callable[[T], Iterable[Labels]],
    labels: Labels,
    seconds: int,
    request: Request[Any, Any, Any],
) -> T | None:
    """Return what `attempt` finds within `seconds`, or None; None at once when the client ends its side or we drain.

    It looks for work when it comes, and again when a task with one of its labels may be there (`Waiters`); few calls
    look at the same time. `labels_taken` returns the labels of each task in what `attempt` found.
    """
    notifier, turns = services(request).notifier, services(request).limits.looks_for_work
    key_id, patience = actor(request), Patience(0 if notifier.draining.is_set() else seconds, request.scope)
    waiters = notifier.waiters
    waiter, taken = waiters.join(labels), list[Labels]()

    try:
        while await patience.lasts(turns.take(key_id)):
            try:
                waiters.begin_look(waiter)
                found = await attempt()
            finally:
                turns.give_back(key_id)
            if found is not None:
                taken += labels_taken(found)
                return found
            if not await patience.lasts(waiters.sleep(waiter)) or patience.is_over:
                break
        return None
    finally:
        waiters.leave(waiter, taken)
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

    @property
    def is_over(self) -> bool:
        """Whether the time is up: an event that had happened before counts as in time for ever."""
        return asyncio.get_running_loop().time() >= self._until

    def end(self) -> None:
        """Forget the client."""
        self._on_leave(None)

    def _leave(self) -> None:
        self._until = asyncio.get_running_loop().time()
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(self._until)

"""The server's clock, as the `Date` of its responses shows it."""

import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import httpx

from app.client import http_date

STALE_S = 2.0
"""A server may be this much past its `Date`: it has whole seconds only, and many servers set it once a second."""
YEARS = range(2000, 3000)
"""A `Date` outside these years is ignored."""
_SENT_AT = "taskpulse_sent_at"

Hook = Callable[..., Awaitable[None]]


class ServerClock:
    """Corrects times of this machine to those of the server.

    The clocks count as equal as long as what was seen allows that. Without a `Date`, as behind a proxy that removes
    it, times stay as they are.
    """

    def __init__(self) -> None:
        self._least_s = self._most_s = 0.0
        """Bounds of what the server's clock is ahead of this machine's."""

    def hooks(self) -> dict[str, list[Hook]]:
        """Return the event hooks by which an `httpx.AsyncClient` shows its responses to this clock."""
        return {"request": [self._note], "response": [self._read]}

    def correct(self, here: datetime) -> datetime:
        """Return the server's time at a time of this machine."""
        if self._least_s <= 0 <= self._most_s:
            return here
        return here + timedelta(seconds=(self._least_s + self._most_s) / 2)

    async def _note(self, request: httpx.Request) -> None:
        request.extensions[_SENT_AT] = time.time()

    async def _read(self, response: httpx.Response) -> None:
        """Narrow the bounds; an error may have the time of a proxy, and a stored response an old one."""
        if not response.is_success or "age" in response.headers:
            return
        dated = http_date.parse(response.headers.get("date", ""))
        if dated is None or dated.year not in YEARS:
            return
        date = dated.timestamp()
        least_s, most_s = date - time.time(), date + STALE_S - response.request.extensions[_SENT_AT]
        if least_s > most_s:  # this machine's clock was set back in between
            return
        if least_s <= self._most_s and self._least_s <= most_s:
            least_s, most_s = max(least_s, self._least_s), min(most_s, self._most_s)
        self._least_s, self._most_s = least_s, most_s

"""Bounds on what goes on at the same time in this process, for each key and for all of them together.

A key that overdoes something gets a 429; where the process itself has no more to give, a call gets a 503. Nothing here
limits how many calls come in a second.
"""

import asyncio
from collections.abc import Iterator

import msgspec
from prometheus_client import Counter
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.problems import Problem
from app.settings import Settings

REFUSED = Counter(
    "taskpulse_refused_total",
    "Requests and connections refused because of a bound, by that bound.",
    ["reason"],
)
RETRY_AFTER_S = 2
BUFFERED = 64 * 1024
"""Bytes that the server buffers for a connection before it waits for the client; smaller answers count for no bound."""
SMALL_CALLS = 16
"""Calls of a key that are worked on at the same time; more would only wait for the processor, and others after them."""
SMALL_CALL_PATIENCE_S = 1.0
"""Seconds that a small call waits for its turn: then it waits for the database too, where that does not answer."""
PATIENCE_S = 3.0
"""Seconds for which a call waits for its turn."""
SLOW_S = 0.05
SLOW_TURNS = 2
LINE = 250
"""Calls of a key that wait for their turn, each with some 25 KB in memory."""
PACE_S = 5.0
"""Seconds that an answer waits at most."""


def _refusal(name: str, detail: str, *, of_key: bool) -> Problem:
    """Count a refusal by the bound `name`, and return its problem."""
    REFUSED.labels(f"{name}_per_key" if of_key else name).inc()
    return Problem("limit-reached" if of_key else "overloaded", detail, retry_after_s=RETRY_AFTER_S)


class Bound:
    """One bound. `name` is that of its settings in lower case: NAME for the process, and NAME_PER_KEY for a key."""

    def __init__(self, name: str, what: str, per_process: int, per_key: int | None = None) -> None:
        self.name = name
        self.what = what
        """What is counted, as in `long polls`."""
        self.per_process = per_process
        self.per_key = per_key
        self.in_use = 0
        self._by_key: dict[str, int] = {}
        REFUSED.labels(name)
        if per_key is not None:
            REFUSED.labels(f"{name}_per_key")

    def take(self, key_id: str, amount: int = 1) -> "Hold":
        """Take some of it until the hold is released.

        Raises Problem: limit-reached where the key has too much of it, overloaded where the process has.
        """
        used = self._by_key.get(key_id, 0)
        if self.per_key is not None and used + amount > self.per_key:
            has = f"{used:,} {self.what}"
            detail = f"This key has {has} here; the bound {self.name} allows a key {self.per_key:,} at the same time."
            raise _refusal(self.name, detail, of_key=True)
        if self.in_use + amount > self.per_process:
            has = f"{self.in_use:,} {self.what}"
            detail = f"All keys together have {has} here; the bound {self.name} allows {self.per_process:,}."
            raise _refusal(self.name, detail, of_key=False)
        self.in_use += amount
        self._by_key[key_id] = used + amount
        return Hold(self, key_id, amount)

    def in_use_by(self, key_id: str) -> int:
        """Return how much of it a key has."""
        return self._by_key.get(key_id, 0)

    @property
    def most_by_a_key(self) -> int:
        """How much of it the key has that has most."""
        return max(self._by_key.values(), default=0)

    def give_back(self, key_id: str, amount: int) -> None:
        """Count less of it."""
        self.in_use -= amount
        left = self._by_key[key_id] - amount
        if left:
            self._by_key[key_id] = left
        else:
            del self._by_key[key_id]


class Hold:
    """Some of a bound that a call has in use."""

    __slots__ = ("_amount", "_bound", "_key_id")

    def __init__(self, bound: Bound, key_id: str, amount: int) -> None:
        self._bound = bound
        self._key_id = key_id
        self._amount = amount

    def release(self) -> None:
        """Give it back; call this once."""
        self._bound.give_back(self._key_id, self._amount)


class Turns:
    """Lets few do something at the same time, and one key only some of them; the others wait in line.

    Keys whose calls wait are served one after the other, so that it costs a key nothing if another one has many. `name`
    and `what` are as those of a `Bound`. Who takes a turn gives it back.
    """

    def __init__(self, name: str, what: str, turns: int, per_key: int) -> None:
        self._name = name
        self._what = what
        self._free = max(1, turns)
        self._of_a_key = max(1, per_key)
        self._by_key: dict[str, int] = {}
        self._slow: set[str] = set()
        """The keys whose last turn was a slow one."""
        self._lines: dict[str, dict[asyncio.Future[None], None]] = {}
        """The calls of each key that wait, those first that came first; the key that is served next comes first."""
        REFUSED.labels(name)
        REFUSED.labels(f"{name}_per_key")

    async def take(self, key_id: str, patience_s: float | None = None) -> None:
        """Return when it is the key's turn.

        Raises Problem if that takes more than `patience_s`, or at once if LINE calls of the key are in line before it:
        limit-reached where the key itself has too many turns, overloaded where all keys together have.
        """
        if self.take_now(key_id):
            return
        if patience_s is not None and len(self._lines.get(key_id, ())) >= LINE:
            raise self._too_many(key_id)
        loop = asyncio.get_running_loop()
        place = loop.create_future()
        self._lines.setdefault(key_id, {})[place] = None
        expiry = None if patience_s is None else loop.call_later(patience_s, self._expire, key_id, place)
        try:
            await place
        except asyncio.CancelledError:
            if not self._leave(key_id, place) and not place.cancelled() and place.exception() is None:
                self.give_back(key_id)
            raise
        finally:
            if expiry is not None:
                expiry.cancel()
            del place  # its exception refers to this frame

    def take_now(self, key_id: str) -> bool:
        """Take a turn if it is the key's; return whether it is."""
        taken = self._by_key.get(key_id, 0)
        if self._free <= 0 or taken >= (self._allowed(key_id) if self._slow else self._of_a_key):
            return False
        self._free -= 1
        self._by_key[key_id] = taken + 1
        return True

    def give_back(self, key_id: str, took_s: float = 0.0) -> None:
        """End a turn; the first in line whose key may have one gets it.

        A key whose turn took more than SLOW_S has SLOW_TURNS at most until one of its turns takes less.
        """
        if took_s > SLOW_S:
            self._slow.add(key_id)
        elif self._slow:
            self._slow.discard(key_id)
        self._free += 1
        left = self._by_key[key_id] - 1
        if left:
            self._by_key[key_id] = left
        else:
            del self._by_key[key_id]
        for waiting, line in self._lines.items():
            place = next((one for one in line if not one.done()), None)  # a cancelled one leaves
            if place and self.take_now(waiting):
                self._leave(waiting, place)
                if waiting in self._lines:
                    self._lines[waiting] = self._lines.pop(waiting)
                place.set_result(None)
                return

    def _allowed(self, key_id: str) -> int:
        return min(SLOW_TURNS, self._of_a_key) if key_id in self._slow else self._of_a_key

    def _leave(self, key_id: str, place: asyncio.Future[None]) -> bool:
        """Take a call out of its line; return whether it was in it."""
        line = self._lines.get(key_id, {})
        if place not in line:
            return False
        del line[place]
        if not line:
            del self._lines[key_id]
        return True

    def _expire(self, key_id: str, place: asyncio.Future[None]) -> None:
        if place.done() or not self._leave(key_id, place):
            return
        place.set_exception(self._too_many(key_id))

    def _too_many(self, key_id: str) -> Problem:
        own = self._by_key.get(key_id, 0) >= self._allowed(key_id)
        detail = f"Too many {self._what} {'of this key' if own else 'of all keys'} are still running."
        return _refusal(self._name, detail, of_key=own)


class Pace:
    """Spreads answers over time: a client that asks again at once would otherwise keep the process busy."""

    def __init__(self, per_s: int, at_once: int) -> None:
        self._every_s = 1 / per_s
        self._ahead_s = at_once / per_s
        """After a time without any, `at_once` answers are sent without a pause."""
        self._next = 0.0
        """When the next answer is due; seconds of the event loop's clock."""

    def delay_s(self) -> float:
        """Return in how many seconds an answer may be sent: 0, unless many were sent in the last moments."""
        now = asyncio.get_running_loop().time()
        self._next = min(max(self._next, now - self._ahead_s) + self._every_s, now + PACE_S)
        return max(0.0, self._next - now)


async def pause(seconds: float, lost: asyncio.Future[None]) -> None:
    """Return after so many seconds, or once the client is `lost`: its connection takes memory."""
    if seconds > 0:
        timer = asyncio.get_running_loop().call_later(seconds, _end, lost)
        await lost
        timer.cancel()


def _end(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Limits:
    """The bounds of this process, as the settings have them."""

    def __init__(self, settings: Settings) -> None:
        self.heavy_calls = Bound(
            "heavy_calls", "lists, histories and exports", settings.heavy_calls, settings.heavy_calls_per_key
        )
        self.long_polls = Bound("long_polls", "long polls", settings.long_polls, settings.long_polls_per_key)
        self.event_streams = Bound(
            "event_streams", "event streams", settings.event_streams, settings.event_streams_per_key
        )
        self.body_bytes = Bound(
            "body_bytes", "bytes of request bodies", settings.body_bytes, settings.body_bytes_per_key
        )
        pool = settings.db_pool_size
        turns = pool * 3 // 10
        self.slow_statements = Turns("slow_statements", "slow statements", turns, turns - 1)
        self.looks_for_work = Turns("looks_for_work", "looks for work", turns, turns - 1)
        self.statements = Turns("statements", "statements", pool, pool * 7 // 10)
        self.small_calls = Turns("small_calls", "small calls", 4 * SMALL_CALLS, SMALL_CALLS)
        self.refusals = Pace(per_s=200, at_once=100)
        self.scrapes = Pace(per_s=10, at_once=50)
        self.answer_bytes = Bound("answer_bytes", "bytes of answers that are not sent yet", settings.answer_bytes)

    def __iter__(self) -> Iterator[Bound]:
        """Iterate over all bounds."""
        yield from (self.heavy_calls, self.long_polls, self.event_streams, self.body_bytes, self.answer_bytes)


class LimitState(msgspec.Struct):
    """A bound, and how much of it the key that asks has in use."""

    name: str
    what: str
    """What is counted."""
    per_key: int | None
    """How much a key may have at the same time; null: there is only the bound for all keys."""
    per_process: int
    """How much all keys together may have."""
    in_use: int
    """How much of it the key that asks has."""


class LimitStates(msgspec.Struct):
    """The bounds of the process that answers."""

    items: list[LimitState]


class LimitCollector(Collector):
    """Reads the bounds at the moment of a scrape."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def collect(self) -> Iterator[Metric]:
        """Yield each bound and how much of it is in use; of a bound for keys, by the key that has most."""
        bounds = GaugeMetricFamily("taskpulse_bound", "What may be in use at the same time.", labels=["bound"])
        in_use = GaugeMetricFamily(
            "taskpulse_bound_in_use", "What is in use; of bounds per key, by the key that has most.", labels=["bound"]
        )
        for bound in self._limits:
            bounds.add_metric([bound.name], bound.per_process)
            in_use.add_metric([bound.name], bound.in_use)
            if bound.per_key is not None:
                bounds.add_metric([f"{bound.name}_per_key"], bound.per_key)
                in_use.add_metric([f"{bound.name}_per_key"], bound.most_by_a_key)
        yield bounds
        yield in_use

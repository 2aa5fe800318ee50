"""Bounds on what goes on at the same time in this process, for each key and for all of them together.

A key that overdoes something gets a 429; where the process itself has no more to give, a call gets a 503. Nothing here
limits how many calls come in a second.
"""

from collections import Counter as Tally
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


class Bound:
    """One bound. `name` is that of its settings in lower case: NAME for the process, and NAME_PER_KEY for a key."""

    def __init__(self, name: str, what: str, per_process: int, per_key: int | None = None) -> None:
        self.name = name
        self.what = what
        """What is counted, as in `long polls`."""
        self.per_process = per_process
        self.per_key = per_key
        self.in_use = 0
        self._by_key: Tally[str] = Tally()
        REFUSED.labels(name)
        if per_key is not None:
            REFUSED.labels(f"{name}_per_key")

    def take(self, key_id: str, amount: int = 1) -> "Hold":
        """Take some of it until the hold is released.

        Raises Problem: limit-reached where the key has too much of it, overloaded where the process has.
        """
        if self.per_key is not None and self._by_key[key_id] + amount > self.per_key:
            REFUSED.labels(f"{self.name}_per_key").inc()
            has = f"{self._by_key[key_id]:,} {self.what}"
            detail = f"This key has {has} here; the bound {self.name} allows a key {self.per_key:,} at the same time."
            raise Problem("limit-reached", detail, retry_after_s=RETRY_AFTER_S)
        if self.in_use + amount > self.per_process:
            REFUSED.labels(self.name).inc()
            has = f"{self.in_use:,} {self.what}"
            detail = f"All keys together have {has} here; the bound {self.name} allows {self.per_process:,}."
            raise Problem("overloaded", detail, retry_after_s=RETRY_AFTER_S)
        hold = Hold(self, key_id)
        hold.resize(amount)
        return hold

    def in_use_by(self, key_id: str) -> int:
        """Return how much of it a key has."""
        return self._by_key[key_id]

    @property
    def most_by_a_key(self) -> int:
        """How much of it the key has that has most."""
        return max(self._by_key.values(), default=0)

    def add(self, key_id: str, amount: int) -> None:
        """Count more or less of it."""
        self.in_use += amount
        self._by_key[key_id] += amount
        if not self._by_key[key_id]:
            del self._by_key[key_id]


class Hold:
    """Some of a bound that a call has in use."""

    def __init__(self, bound: Bound, key_id: str) -> None:
        self._bound = bound
        self._key_id = key_id
        self._amount = 0

    def resize(self, amount: int) -> None:
        """Hold this much from now on; it may be more than the bound allows, if the call did not know before."""
        self._bound.add(self._key_id, amount - self._amount)
        self._amount = amount

    def release(self) -> None:
        """Hold nothing any more."""
        self.resize(0)


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

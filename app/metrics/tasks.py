"""Gauges from the database: asked for in the background, never by a scrape, and gone rather than frozen."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, get_args

import msgspec
import psycopg
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.postgres.pool import Database
from app.postgres.statements import sql
from app.tasks.model import Status

COLLECT_EVERY_S = 15.0
STALE_S = 45.0
"""Seconds after which figures are no longer shown, should the next ones neither come nor fail."""

QUERY = sql("metrics/task_metrics")


@dataclass(frozen=True)
class Figures:
    """What one query found."""

    tasks: dict[str, int]
    overdue: int
    oldest_open: float | None
    live: int
    expired: int
    oldest_pulse: float | None
    taken: float = field(default_factory=time.monotonic)


class TaskCollector(Collector):
    """Shows the figures of the last query, unless it failed or is too old."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._figures: Figures | None = None
        self._last_success = 0.0

    async def refresh(self) -> None:
        """Ask the database once.

        Raises psycopg.OperationalError; the figures are gone then.
        """
        while self._last_success == 0 and not self._database.up:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.1)
        try:
            [row] = await self._database.fetch(QUERY, {})
        except psycopg.Error:
            self._figures = None
            raise
        by_status, *others = row
        found = msgspec.json.decode(by_status or b"{}", type=dict[str, int])
        self._figures = Figures({status: found.get(status, 0) for status in get_args(Status)}, *others)
        self._last_success = time.time()

    def collect(self) -> Iterator[Metric]:
        """Yield the figures, and always when they were last got."""
        yield GaugeMetricFamily(
            "taskpulse_collector_last_success_timestamp_seconds",
            "When this process last got the figures from the database; 0: never.",
            value=self._last_success,
        )
        figures = self._figures
        if figures is None or time.monotonic() - figures.taken > STALE_S:
            return
        yield _labelled("taskpulse_tasks", "Tasks by status.", "status", figures.tasks)
        yield GaugeMetricFamily(
            "taskpulse_tasks_overdue", "Tasks past due_at that are open or in progress.", value=figures.overdue
        )
        leases = {"live": figures.live, "expired": figures.expired}
        yield _labelled("taskpulse_leases", "Leases by state; an expired one was not claimed again.", "state", leases)
        if figures.oldest_open is not None:
            yield GaugeMetricFamily(
                "taskpulse_oldest_open_task_timestamp_seconds",
                "When the oldest open task was created; absent without one.",
                value=figures.oldest_open,
            )
        if figures.oldest_pulse is not None:
            yield GaugeMetricFamily(
                "taskpulse_oldest_pulse_timestamp_seconds",
                "When the worker that has been quiet for longest showed life last; absent without leases.",
                value=figures.oldest_pulse,
            )


def _labelled(name: str, text: str, label: str, values: dict[str, Any]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family

"""Gauges of tasks, leases and queues: queried in the background, never by a scrape, and absent rather than stale."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

import msgspec
import psycopg
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.metrics import queues
from app.metrics.queues import QueueFigures
from app.postgres.pool import Database
from app.postgres.statements import sql
from app.tasks.model import Status

COLLECT_EVERY_S = 15.0
STALE_S = 45.0
"""Seconds after which figures are no longer shown if the next query neither ends nor fails."""

QUERY = sql("metrics/task_metrics")


class Figures(NamedTuple):
    """A row of task_metrics.sql; times are seconds since 1970, None where there is no such task or lease."""

    tasks: bytes | None
    """JSON: number by status."""
    overdue: int
    scheduled: int
    oldest_open: float | None
    live: int
    expired: int
    oldest_expired: float | None
    oldest_pulse: float | None


class TaskCollector(Collector):
    """Yields the figures of the last query, unless it failed or is too old."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._figures: Figures | None = None
        self._queues: list[QueueFigures] = []
        self._asked = 0.0
        """Monotonic seconds."""
        self._last_success = 0.0

    async def refresh(self) -> None:
        """Query the database once.

        Raises psycopg.OperationalError, and drops the figures.
        """
        while self._last_success == 0 and not self._database.up:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.1)
        try:
            [row] = await self._database.fetch(QUERY, {})
            of_queues = await self._database.fetch(queues.QUERY, {})
        except psycopg.Error:
            self._figures = None
            raise
        self._figures, self._queues = Figures._make(row), [QueueFigures._make(each) for each in of_queues]
        self._asked = time.monotonic()
        self._last_success = time.time()

    def collect(self) -> Iterator[Metric]:
        """Yield the time of the last success, and the figures where there are any."""
        yield GaugeMetricFamily(
            "taskpulse_collector_last_success_timestamp_seconds",
            "When this process last got the figures from the database; 0: never.",
            value=self._last_success,
        )
        figures = self._figures
        if figures is None or time.monotonic() - self._asked > STALE_S:
            return
        found = msgspec.json.decode(figures.tasks or b"{}", type=dict[str, int])
        tasks = {status: found.get(status, 0) for status in get_args(Status)}
        yield _labelled("taskpulse_tasks", "Tasks by status.", "status", tasks)
        yield GaugeMetricFamily(
            "taskpulse_tasks_overdue", "Tasks past due_at that are open or in progress.", value=figures.overdue
        )
        leases = {"live": figures.live, "expired": figures.expired}
        yield _labelled("taskpulse_leases", "Leases by state; an expired one was not claimed again.", "state", leases)
        open_tasks = {"ready": tasks["open"] - figures.scheduled, "scheduled": figures.scheduled}
        yield _labelled(
            "taskpulse_open_tasks", "Open tasks: ready to be claimed, or scheduled for later.", "state", open_tasks
        )
        if figures.oldest_open is not None:
            yield GaugeMetricFamily(
                "taskpulse_oldest_open_task_timestamp_seconds",
                "Since when the oldest open task that is ready could be claimed; absent without one.",
                value=figures.oldest_open,
            )
        if figures.oldest_expired is not None:
            yield GaugeMetricFamily(
                "taskpulse_oldest_expired_lease_timestamp_seconds",
                "Since when the task of an expired lease has waited for another worker (the oldest); absent if none.",
                value=figures.oldest_expired,
            )
        if figures.oldest_pulse is not None:
            yield GaugeMetricFamily(
                "taskpulse_oldest_pulse_timestamp_seconds",
                "When the worker that has been quiet for longest showed life last; absent without leases.",
                value=figures.oldest_pulse,
            )
        yield from queues.gauges(self._queues)


def _labelled(name: str, text: str, label: str, values: dict[str, Any]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family

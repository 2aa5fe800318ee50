"""Gauges of the labels that have a queue of their own: at most 50, so that there are few series."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily, Metric

from app.postgres.statements import sql

QUERY = sql("metrics/queue_metrics")


class QueueFigures(NamedTuple):
    """A row of queue_metrics.sql."""

    label: str
    ready: int
    leased: int
    quiet: int
    max_leases: int | None
    paused_s: float
    oldest_ready_s: float
    ready_within_s: int | None


def gauges(queues: Sequence[QueueFigures]) -> Iterator[Metric]:
    """Yield the gauges of all queues."""
    yield GaugeMetricFamily("taskpulse_queues", "Labels that have a queue of their own.", value=len(queues))
    tasks = GaugeMetricFamily(
        "taskpulse_queue_tasks",
        "Tasks with the label: ready to be claimed, leased, or quiet as their lease has expired.",
        labels=["queue", "state"],
    )
    for queue in queues:
        for state, number in (("ready", queue.ready), ("leased", queue.leased), ("quiet", queue.quiet)):
            tasks.add_metric([queue.label, state], number)
    yield tasks
    yield _by_queue(
        "taskpulse_queue_max_leases",
        "The max_leases of the queue; absent where it has none.",
        {queue.label: queue.max_leases for queue in queues},
    )
    yield _by_queue(
        "taskpulse_queue_paused_seconds",
        "For how long the queue has been paused, when the figures were read; 0: it is not.",
        {queue.label: queue.paused_s for queue in queues},
    )
    yield _by_queue(
        "taskpulse_queue_oldest_ready_seconds",
        "For how long the oldest ready task with the label has been ready, when the figures were read; 0 without one.",
        {queue.label: queue.oldest_ready_s for queue in queues},
    )
    yield _by_queue(
        "taskpulse_queue_ready_within_seconds",
        "The ready_within_s of the queue; absent where it has none.",
        {queue.label: queue.ready_within_s for queue in queues},
    )


def _by_queue(name: str, text: str, values: dict[str, int | float | None]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=["queue"])
    for label, value in values.items():
        if value is not None:
            family.add_metric([label], value)
    return family

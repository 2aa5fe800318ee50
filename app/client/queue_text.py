"""Queues as people read them: a line each, or one with all its rules."""

from collections.abc import Sequence
from datetime import datetime

from app.client.ages import age, moment
from app.client.queues import Figures, Queue
from app.client.table import details, shortened, table

LABEL = 24
"""Columns of a label: a longer one is shortened, so that a line has 80 at most."""


def queue_table(queues: Sequence[Figures], now: datetime, width: int) -> list[str]:
    """Return a table of labels with their unfinished tasks and rules."""
    headings = ["LABEL", "READY", "SCHEDULED", "LEASED", "QUIET", "OLDEST", "RULES"]
    label = max(LABEL, width - 80 + LABEL)
    rows = [
        [
            shortened(queue.label, label),
            str(queue.ready),
            str(queue.scheduled),
            str(queue.leased),
            str(queue.quiet),
            age(queue.oldest_ready_at, now) if queue.oldest_ready_at else "-",
            _rules(queue),
        ]
        for queue in queues
    ]
    return table(headings, rows, width)


def _rules(queue: Figures) -> str:
    limit = [f"limit {queue.max_leases}"] if queue.max_leases is not None else []
    return ", ".join((["paused"] if queue.paused else []) + limit) or "-"


def queue_details(queue: Queue, now: datetime) -> list[str]:
    """Return the rules of a queue."""
    paused = f"since {moment(queue.paused_at, now)}" if queue.paused_at else "no"
    return details(
        [
            ("Label", queue.label),
            ("Paused", paused),
            ("Max leases", "no limit" if queue.max_leases is None else str(queue.max_leases)),
            (
                "Ready within",
                "no alert" if queue.ready_within_s is None else f"{queue.ready_within_s} s, else an alert fires",
            ),
            ("Created", moment(queue.created_at, now)),
            ("Changed", moment(queue.updated_at, now)),
            ("Version", str(queue.version)),
        ]
    )

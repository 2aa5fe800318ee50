"""Tells who waits for work of the tasks that a call has made, changed or given back."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Request, Response

from app.http.services import services
from app.postgres.waiters import Labels
from app.tasks.model import ClaimableTask, NewTask


class _Claimed(msgspec.Struct):
    task: ClaimableTask


class _ClaimedTasks(msgspec.Struct):
    items: list[_Claimed]


def notify_of_new(request: Request[Any, Any, Any], tasks: Sequence[NewTask]) -> None:
    """Wake calls for tasks that were made."""
    now = datetime.now(UTC)
    services(request).notifier.notify_work(
        task.labels for task in tasks if task.status == "open" and (task.run_after is None or task.run_after <= now)
    )


def notify_of_task(request: Request[Any, Any, Any], task: bytes) -> None:
    """Wake a call for a task, given as JSON, that somebody may claim now; if its lease ended, others have room."""
    changed = msgspec.json.decode(task, type=ClaimableTask)
    if changed.labels:
        services(request).notifier.notify_room()
    claimable = changed.status in ("open", "in_progress") and not changed.waits
    services(request).notifier.notify_work([changed.labels] if claimable else [])


def labels_claimed(response: Response[Any]) -> Iterable[Labels]:
    """Return the labels of each task in the response of a claim."""
    claimed = msgspec.json.decode(response.content, type=_ClaimedTasks)
    return [frozenset(item.task.labels) for item in claimed.items]

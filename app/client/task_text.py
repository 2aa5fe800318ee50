"""Tasks as people read them: a line each, or one with all that there is."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from app.client.ages import age, moment
from app.client.output import printable
from app.client.table import GAP, details, table, width_of
from app.client.tasks import Lease, Task

ROOM_FOR_TITLE = 24
"""Columns that titles must have left before a further column is shown."""


def task_table(tasks: Sequence[Task], now: datetime, width: int) -> list[str]:
    """Return a table; priority, assignee and labels are shown where there is room for them."""
    columns = {
        "ID": [task.id for task in tasks],
        "STATUS": [task.status for task in tasks],
        "AGE": [age(task.created_at, now) for task in tasks],
    }
    optional = {
        "PRIORITY": [task.priority for task in tasks],
        "LABELS": [",".join(task.labels) or "-" for task in tasks],
        "ASSIGNEE": [task.assignee or "-" for task in tasks],
    }
    for name, cells in optional.items():
        if _room({**columns, name: cells}, width) >= ROOM_FOR_TITLE:
            columns[name] = cells
    columns["TITLE"] = [task.title for task in tasks]
    return table(list(columns), list(zip(*columns.values(), strict=True)), width)


def _room(columns: dict[str, list[str]], width: int) -> int:
    return width - sum(max(map(width_of, [name, *cells])) + len(GAP) for name, cells in columns.items())


def task_details(task: Task, lease: Lease | None, now: datetime) -> list[str]:
    """Return all that there is to say about a task; what has no value is left out."""
    times = {
        "Due": task.due_at,
        "Not before": task.run_after,
        "Claimable": task.claimable_at,
        "Created": task.created_at,
        "Changed": task.updated_at,
        "Finished": task.finished_at,
    }
    status = f"{task.status} (its worker is asked to stop)" if task.cancel_requested else task.status
    pairs = {
        "ID": task.id,
        "Title": printable(task.title),
        "Status": status,
        "Priority": task.priority,
        "Assignee": task.assignee and printable(task.assignee),
        "Labels": printable(", ".join(task.labels)),
        **{name: then and moment(then, now) for name, then in times.items()},
        "Attempts": f"{task.attempts} of {task.max_attempts}",
        "Retry": _json(task.retry),
        "Unique key": task.unique_key and printable(task.unique_key),
        "Version": str(task.version),
        "Lease": lease and _lease(lease, now),
        "Payload": _json(task.payload),
        "Result": _json(task.result),
        "Description": task.description,
    }
    return details([(name, value) for name, value in pairs.items() if value])


def _lease(lease: Lease, now: datetime) -> str:
    progress = f", {lease.progress:g}%" if lease.progress is not None else ""
    note = f", {lease.note}" if lease.note else ""
    ends = f"expires in {age(lease.expires_at, now)}"
    if lease.state == "expired":
        ends = f"expired {age(lease.expires_at, now)} ago"
    pulsed = f"pulsed {age(lease.pulsed_at, now)} ago"
    work = f"{lease.worker}, attempt {lease.attempt}{progress}{note}"
    return f"{printable(work)}\n{pulsed}, {ends}"


def _json(raw: msgspec.Raw) -> str:
    """Return JSON over several lines; nothing for what is empty."""
    text = bytes(raw).decode()
    return "" if text in ("null", "{}") else msgspec.json.format(text)

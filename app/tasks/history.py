"""The history of a task: every change of it, oldest first."""

from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec

from app.postgres.shares import Fetcher
from app.postgres.statements import sql
from app.tasks.problems import task_not_found

PAGE_BYTES = 256 * 1024
"""Bytes after which a page of changes ends; a single change has 160 KiB at most."""

LIST, IS_KNOWN = sql("tasks/list_history"), sql("tasks/task_is_known")


class Actor(msgspec.Struct):
    """The API key that made a change."""

    key_id: str
    name: str


class Change(msgspec.Struct):
    """One change of a task."""

    at: datetime
    action: Literal[
        "created", "updated", "deleted", "claimed", "completed", "failed", "released", "expired", "requeued"
    ]
    version: int
    """The task's version after the change."""
    actor: Actor | None
    """Null where the service itself made the change."""
    before: dict[str, Any] | None
    """The fields that changed, as they were; the whole task where it was deleted, null where it was created."""
    after: dict[str, Any] | None
    """The fields that changed, as they became; the whole task where it was created, null where it was deleted."""


class History(msgspec.Struct):
    """A page of a task's changes, oldest first; `next_cursor` is null on the last one."""

    items: list[Change]
    next_cursor: str | None


class HistoryRow(NamedTuple):
    """A row of list_history.sql."""

    sequence: int
    change: bytes
    """A `Change` as JSON."""


async def read_history(database: Fetcher, task_id: UUID, after: int, limit: int) -> tuple[list[HistoryRow], int | None]:
    """Return up to `limit` changes after a sequence number, oldest first, and the last one's number if more follow.

    They are fewer than `limit` where they would be larger than PAGE_BYTES. A deleted task keeps its history.
    Raises Problem: not-found; psycopg.OperationalError.
    """
    values = {"task_id": task_id, "after": after, "limit": limit + 1, "bytes": PAGE_BYTES}
    rows = [HistoryRow._make(row) for row in await database.fetch(LIST, values)]
    if not rows and not await _is_known(database, task_id):
        raise task_not_found(task_id)
    cut = len(rows) > 1 and sum(len(row.change) for row in rows) > PAGE_BYTES
    kept = rows[:-1] if cut else rows[:limit]
    return kept, kept[-1].sequence if len(kept) < len(rows) else None


async def _is_known(database: Fetcher, task_id: UUID) -> bool:
    [(known,)] = await database.fetch(IS_KNOWN, {"task_id": task_id})
    return bool(known)

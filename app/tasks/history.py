"""The history of a task: every change of it, oldest first."""

from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec

from app.postgres.pool import Database
from app.postgres.statements import sql
from app.tasks.problems import task_not_found

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


async def read_history(database: Database, task_id: UUID, after: int, limit: int) -> list[HistoryRow]:
    """Return up to `limit` changes after a sequence number, oldest first; a deleted task keeps its history.

    Raises Problem: not-found; psycopg.OperationalError.
    """
    rows = await database.fetch(LIST, {"task_id": task_id, "after": after, "limit": limit})
    if not rows and not await _is_known(database, task_id):
        raise task_not_found(task_id)
    return [HistoryRow._make(row) for row in rows]


async def _is_known(database: Database, task_id: UUID) -> bool:
    [(known,)] = await database.fetch(IS_KNOWN, {"task_id": task_id})
    return bool(known)

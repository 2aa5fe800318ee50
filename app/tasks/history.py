"""The history of a task: every change of it, oldest first."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from app.postgres.shares import Fetcher
from app.postgres.statements import sql
from app.tasks.model import Action, Priority, Retry, Status
from app.tasks.problems import task_not_found

PAGE_BYTES = 256 * 1024
"""Bytes after which a page of changes ends; a single change has 180 KiB at most."""

LIST, IS_KNOWN = sql("tasks/list_history"), sql("tasks/task_is_known")


class Actor(msgspec.Struct):
    """The API key that made a change."""

    key_id: str
    name: str


class ChangedFields(msgspec.Struct):
    """The fields of a task that changed, and what is known of the lease that began or ended; others are absent."""

    id: UUID | UnsetType = UNSET
    title: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    status: Status | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    assignee: str | UnsetType | None = UNSET
    labels: list[str] | UnsetType = UNSET
    due_at: datetime | UnsetType | None = UNSET
    run_after: datetime | UnsetType | None = UNSET
    claimable_at: datetime | UnsetType | None = UNSET
    payload: dict[str, Any] | UnsetType = UNSET
    max_attempts: int | UnsetType = UNSET
    retry: Retry | UnsetType | None = UNSET
    unique_key: str | UnsetType | None = UNSET
    attempts: int | UnsetType = UNSET
    fence: int | UnsetType = UNSET
    cancel_requested: bool | UnsetType = UNSET
    created_at: datetime | UnsetType = UNSET
    updated_at: datetime | UnsetType = UNSET
    finished_at: datetime | UnsetType | None = UNSET
    version: int | UnsetType = UNSET
    worker: str | UnsetType = UNSET
    """Who had claimed the task, or claims it."""
    attempt: int | UnsetType = UNSET
    """Which attempt begins; the first one is 1."""
    error: str | UnsetType | None = UNSET
    """Why the attempt failed, as the worker sent it."""
    result: Any = UNSET
    """What `completeTask` was given: any JSON."""


class Change(msgspec.Struct):
    """One change of a task."""

    at: datetime
    action: Action
    version: int
    """The task's version after the change."""
    actor: Actor | None
    """Null where the service itself made the change."""
    before: ChangedFields | None
    """The fields that changed, as they were; the whole task where it was deleted, null where it was created."""
    after: ChangedFields | None
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

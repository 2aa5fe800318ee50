"""Tasks in the database: one function a call of the API. `actor` is the id of the API key that calls."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import LiteralString, Protocol, TypeVar
from uuid import UUID

import msgspec

from app.postgres.batching import Shared
from app.postgres.pool import Connection, Database, Row
from app.postgres.statements import sql
from app.tasks.model import NewTask, compact
from app.tasks.problems import precondition_failed, task_claimed, task_not_found
from app.validation import JSONObject

GET, INSERT, DELETE = sql("tasks/get_tasks"), sql("tasks/insert_tasks"), sql("tasks/delete_task")

Versioned = tuple[int, bytes]
"""A task's version, and the task as JSON."""
Created = tuple[UUID, int, bytes]
"""The same of a new task, after its id."""


class SharedCalls:
    """The calls that share their statement with others of the same moment."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._get = Shared(partial(read, database))
        self._create = Shared(self._create_together)

    async def get(self, task_id: UUID) -> Versioned:
        """Return a task.

        Raises Problem: not-found.
        """
        return _found(await self._get(task_id), task_id)

    async def create(self, actor: str, task: NewTask) -> Created:
        """Insert a task; return its id, version and JSON."""
        return await self._create((actor, task))

    async def _create_together(self, new: Sequence[tuple[str, NewTask]]) -> list[Created]:
        async with self._database.connection() as connection:
            return await _insert(connection, [actor for actor, _ in new], [task for _, task in new])


async def read(database: Database, task_ids: Sequence[UUID]) -> list[Versioned | None]:
    """Return tasks in the order of their ids, None for one that is not there."""
    rows = await database.fetch(GET, {"ids": array(task_ids)})
    found = {task_id: (version, task) for task_id, version, task in rows}
    return [found.get(task_id.bytes) for task_id in task_ids]


class _OfTask(Protocol):
    @property
    def task_id(self) -> UUID: ...


C = TypeVar("C", bound=_OfTask)


async def change_together(
    database: Database, statement: LiteralString, calls: Sequence[C], encode: Callable[[Iterable[C]], str]
) -> list[Row | None]:
    """Run a statement for many tasks at once, and return its row for each call.

    None stands for the calls that need a statement of their own: those whose task is not there or is locked by another
    transaction, which the statement passes over, and all but the first of the same task.
    """
    first = {call.task_id: call for call in reversed(calls)}
    rows = await database.fetch(statement, {"ids": array(first), "calls": encode(first.values())})
    found = {row[0]: row for row in rows}
    return [found.get(call.task_id.bytes) if first[call.task_id] is call else None for call in calls]


def array(ids: Iterable[UUID]) -> str:
    """Return ids as PostgreSQL takes an array of them, at a fifth of what psycopg's general dumper costs."""
    return "{" + ",".join([each.hex for each in ids]) + "}"


def _found(task: Versioned | None, task_id: UUID) -> Versioned:
    if task is None:
        raise task_not_found(task_id)
    return task


async def create(connection: Connection, actor: str, tasks: Sequence[NewTask]) -> list[Created]:
    """Insert tasks, all or none; return id, version and JSON of each, in the order given."""
    return await _insert(connection, [actor] * len(tasks), tasks)


async def _insert(connection: Connection, actors: Sequence[str], tasks: Sequence[NewTask]) -> list[Created]:
    rows = await connection.execute(INSERT, {"actors": actors, "tasks": _to_recordset(tasks)})
    return [(task_id, version, task) for task_id, version, task in await rows.fetchall()]


def _to_recordset(tasks: Sequence[NewTask]) -> str:
    for task in tasks:
        task.payload = _compacted(task.payload)
        task.due_at = in_utc(task.due_at)
    return msgspec.json.encode(tasks).decode()


def in_utc(time: datetime | None) -> datetime | None:
    """Return the same time in UTC, as PostgreSQL takes no offset beyond 15:59 and RFC 3339 allows 23:59."""
    return time and time.astimezone(UTC)


def _compacted(payload: JSONObject) -> JSONObject:
    return msgspec.json.decode(compact(payload), type=JSONObject) if payload else payload


async def delete(database: Database, actor: str, task_id: UUID, versions: list[int] | None) -> None:
    """Delete a task.

    Raises Problem: not-found, precondition-failed, task-claimed.
    """
    fresh = False
    while not fresh:
        rows = await database.fetch(DELETE, {"actor": actor, "id": task_id, "versions": versions})
        if not rows:
            raise task_not_found(task_id)
        [(matched, fresh, live_for_s)] = rows
    if not matched:
        raise precondition_failed()
    if live_for_s is not None:
        raise task_claimed(live_for_s)

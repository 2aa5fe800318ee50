"""Tasks in the database: one function a call of the API. `actor` is the id of the API key that calls."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, LiteralString
from uuid import UUID

import msgspec
from psycopg import sql as compose

from app.database import Connection, Database, sql
from app.http.conditional import precondition_failed
from app.http.json_body import JSONObject
from app.http.problems import FieldError, Problem, invalid
from app.sharing import Shared
from app.tasks.model import MAX_PAYLOAD, NewTask, compact, merge

GET, INSERT = sql("get_tasks"), sql("insert_tasks")
UPDATE, UPDATE_STATUS = sql("update_task"), sql("update_task_status")
DELETE, LOCK_PAYLOAD = sql("delete_task"), sql("lock_task_payload")

Versioned = tuple[int, bytes]
"""A task's version, and the task as JSON."""
Created = tuple[UUID, int, bytes]
"""The same of a new task, after its id."""


def not_found(task_id: UUID) -> Problem:
    """Return the problem for a task that is not there."""
    return Problem("not-found", f"There is no task {task_id}.")


def claimed(live_for_s: int) -> Problem:
    """Return the problem for a change that has to wait for the lease, which is live for so many seconds more."""
    detail = "A worker holds the task; ask it to stop by setting the status to cancelled, or wait."
    return Problem("task-claimed", detail, headers={"Retry-After": str(live_for_s)})


class SharedCalls:
    """The calls that share their statement with others of the same moment."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._get = Shared(self._get_together)
        self._create = Shared(self._create_together)

    async def get(self, task_id: UUID) -> Versioned:
        """Return a task.

        Raises Problem: not-found.
        """
        return _found(await self._get(task_id), task_id)

    async def create(self, actor: str, task: NewTask) -> Created:
        """Insert a task; return its id, version and JSON."""
        return await self._create((actor, task))

    async def _get_together(self, task_ids: Sequence[UUID]) -> list[Versioned | None]:
        found = await _get(self._database, task_ids)
        return [found.get(task_id) for task_id in task_ids]

    async def _create_together(self, new: Sequence[tuple[str, NewTask]]) -> list[Created]:
        async with self._database.connection() as connection:
            return await _insert(connection, [actor for actor, _ in new], [task for _, task in new])


async def _get(database: Database, task_ids: Sequence[UUID]) -> dict[UUID, Versioned]:
    rows = await database.fetch(GET, {"ids": task_ids})
    return {task_id: (version, task) for task_id, version, task in rows}


def _found(task: Versioned | None, task_id: UUID) -> Versioned:
    if task is None:
        raise not_found(task_id)
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
        task.due_at = _in_utc(task.due_at)
    return msgspec.json.encode(tasks).decode()


def _in_utc(time: datetime | None) -> datetime | None:
    """Return the same time in UTC, as PostgreSQL takes no offset beyond 15:59 and RFC 3339 allows 23:59."""
    return time and time.astimezone(UTC)


def _compacted(payload: JSONObject) -> JSONObject:
    return msgspec.json.decode(compact(payload), type=JSONObject) if payload else payload


async def update(
    database: Database, actor: str, task_id: UUID, changes: dict[str, Any], versions: list[int] | None
) -> Versioned:
    """Set fields of a task; where nothing differs, its version stays.

    `versions` are those that the change may be based on, None for any.
    Raises Problem: not-found, precondition-failed, invalid-request for a merged payload that is too large, and
    task-claimed for a status other than cancelled where a worker holds the task.
    """
    if not changes:
        return await _unchanged(database, task_id, versions)
    async with database.connection() as connection:
        if not changes.get("payload"):
            return await _update(connection, actor, task_id, changes, versions)
        async with connection.transaction():
            row = await (await connection.execute(LOCK_PAYLOAD, {"id": task_id})).fetchone()
            if row is None:
                raise not_found(task_id)
            stored = msgspec.json.decode(row[0], type=JSONObject)
            return await _update(
                connection, actor, task_id, changes | {"payload": merge(stored, changes["payload"])}, versions
            )


async def _unchanged(database: Database, task_id: UUID, versions: list[int] | None) -> Versioned:
    version, task = _found((await _get(database, [task_id])).get(task_id), task_id)
    if versions is not None and version not in versions:
        raise precondition_failed()
    return version, task


async def _update(
    connection: Connection, actor: str, task_id: UUID, changes: dict[str, Any], versions: list[int] | None
) -> Versioned:
    values = {name: _value(name, value) for name, value in changes.items()}
    values |= {"actor": actor, "id": task_id, "versions": versions}
    statement, fresh = _update_statement(tuple(changes)), False
    while not fresh:
        row = await (await connection.execute(statement, values)).fetchone()
        if row is None:
            raise not_found(task_id)
        version, task, matched, fresh, live_for_s = row
    if not matched:
        raise precondition_failed()
    if live_for_s is not None:
        raise claimed(live_for_s)
    return version, task


def _value(name: str, value: Any) -> Any:
    if name == "due_at":
        return _in_utc(value)
    if name != "payload":
        return value
    text = compact(value)
    if len(text) > MAX_PAYLOAD:
        detail = f"#/payload would have {len(text)} bytes; it may have {MAX_PAYLOAD}."
        raise invalid(FieldError("body", "#/payload", detail))
    return text.decode()


_CASTS = {
    "priority": "task_priority",
    "labels": "label[]",
    "due_at": "timestamptz",
    "payload": "json",
    "max_attempts": "integer",
}
"""Column types of the fields that are not text."""


@cache
def _update_statement(changes: tuple[str, ...]) -> LiteralString:
    """Compose the UPDATE that sets just these fields, for PostgreSQL to prepare once a combination."""
    assignments: list[compose.Composable] = []
    differences: list[compose.Composable] = []
    for name in changes:
        if name == "status":
            continue
        new = compose.SQL("{}::{}").format(compose.Placeholder(name), compose.SQL(_CASTS.get(name, "text")))
        assignments.append(compose.SQL("{} = {}").format(compose.Identifier(name), new))
        as_text = "::text" if name == "payload" else ""
        differences.append(
            compose.SQL("old.{}{} is distinct from {}{}").format(
                compose.Identifier(name), compose.SQL(as_text), new, compose.SQL(as_text)
            )
        )
    if "status" in changes:
        assignments.append(compose.SQL(_SET_STATUS))
        differences.append(compose.SQL(_STATUS_DIFFERS))
    statement = compose.SQL(UPDATE_STATUS if "status" in changes else UPDATE).format(
        changes=compose.SQL(", ").join(assignments),
        differs=compose.SQL("({})").format(compose.SQL(" or ").join(differences)),
    )
    return statement.as_string()


_SET_STATUS = """
status = case when held.live_for_s is null then %(status)s::task_status else old.status end,
cancel_requested = held.live_for_s is not null,
finished_at = case
    when held.live_for_s is null and %(status)s::task_status in ('done', 'cancelled', 'failed')
    then coalesce(old.finished_at, moment.at)
end"""
"""A live lease leaves one change of status, to cancelled, and that is but asked for."""

_STATUS_DIFFERS = """case
    when held.live_for_s is null then old.status <> %(status)s::task_status
    else not old.cancel_requested
end"""


async def delete(database: Database, actor: str, task_id: UUID, versions: list[int] | None) -> None:
    """Delete a task.

    Raises Problem: not-found, precondition-failed, task-claimed.
    """
    fresh = False
    while not fresh:
        rows = await database.fetch(DELETE, {"actor": actor, "id": task_id, "versions": versions})
        if not rows:
            raise not_found(task_id)
        [(matched, fresh, live_for_s)] = rows
    if not matched:
        raise precondition_failed()
    if live_for_s is not None:
        raise claimed(live_for_s)

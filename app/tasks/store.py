"""Tasks in the database: one function a call of the API. `actor` is the id of the API key that calls."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from psycopg import sql as compose

from app import cursor
from app.conditional import precondition_failed
from app.database import Connection, Database, sql
from app.json_body import JSONObject
from app.problems import FieldError, Problem, invalid
from app.tasks.model import MAX_PAYLOAD, NewTask, Status, compact, merge

GET, INSERT, LIST = sql("get_task"), sql("insert_tasks"), sql("list_tasks")
UPDATE, DELETE, LOCK_PAYLOAD = sql("update_task"), sql("delete_task"), sql("lock_task_payload")

Versioned = tuple[int, bytes]
"""A task's version, and the task as JSON."""


class Position(msgspec.Struct, frozen=True):
    """Where a page of the list ended."""

    created_at: datetime
    id: UUID


def not_found(task_id: UUID) -> Problem:
    """Return the problem for a task that is not there."""
    return Problem("not-found", f"There is no task {task_id}.")


async def get(database: Database, task_id: UUID) -> Versioned:
    """Return a task.

    Raises Problem: not-found.
    """
    rows = await database.fetch(GET, {"id": task_id})
    if not rows:
        raise not_found(task_id)
    version, task = rows[0]
    return version, task


async def create(database: Database, actor: str, tasks: Sequence[NewTask]) -> list[tuple[UUID, int, bytes]]:
    """Insert tasks, all or none; return id, version and JSON of each, in the order given."""
    rows = await database.fetch(INSERT, {"actor": actor, "tasks": _to_recordset(tasks)})
    return [(task_id, version, task) for task_id, version, task in rows]


def _to_recordset(tasks: Sequence[NewTask]) -> str:
    for task in tasks:
        task.payload = _compacted(task.payload)
    return msgspec.json.encode(tasks).decode()


def _compacted(payload: JSONObject) -> JSONObject:
    return msgspec.json.decode(compact(payload), type=JSONObject) if payload else payload


async def page(
    database: Database, *, status: list[Status] | None, limit: int, after: str | None
) -> tuple[list[bytes], str | None]:
    """Return up to `limit` tasks as JSON, newest first, and the cursor of the next page or None.

    Raises Problem: invalid-request, for a bad cursor.
    """
    query = {"status": sorted(set(status or ()))}
    last = cursor.decode(after, Position, query) if after is not None else None
    parameters = {
        "status": status,
        "after_created_at": last and last.created_at,
        "after_id": last and last.id,
        "limit": limit + 1,
    }
    tasks = [task for (task,) in await database.fetch(LIST, parameters)]
    if len(tasks) <= limit:
        return tasks, None
    end = msgspec.json.decode(tasks[limit - 1], type=Position)
    return tasks[:limit], cursor.encode(end, query)


async def update(
    database: Database, actor: str, task_id: UUID, changes: dict[str, Any], versions: list[int] | None
) -> Versioned:
    """Set fields of a task; where nothing differs, its version stays.

    `versions` are those that the change may be based on, None for any.
    Raises Problem: not-found, precondition-failed, invalid-request for a merged payload that is too large.
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
    version, task = await get(database, task_id)
    if versions is not None and version not in versions:
        raise precondition_failed()
    return version, task


async def _update(
    connection: Connection, actor: str, task_id: UUID, changes: dict[str, Any], versions: list[int] | None
) -> Versioned:
    values = {name: _value(name, value) for name, value in changes.items()}
    row = await (
        await connection.execute(
            _update_statement(changes), values | {"actor": actor, "id": task_id, "versions": versions}
        )
    ).fetchone()
    if row is None:
        raise not_found(task_id)
    version, task, matched = row
    if not matched:
        raise precondition_failed()
    return version, task


def _value(name: str, value: Any) -> Any:
    if name != "payload":
        return value
    text = compact(value)
    if len(text) > MAX_PAYLOAD:
        detail = f"#/payload would have {len(text)} bytes; it may have {MAX_PAYLOAD}."
        raise invalid(FieldError("body", "#/payload", detail))
    return text.decode()


_CASTS = {
    "status": "task_status",
    "priority": "task_priority",
    "labels": "label[]",
    "due_at": "timestamptz",
    "payload": "json",
    "max_attempts": "integer",
}
"""Column types of the fields that are not text."""


def _update_statement(changes: dict[str, Any]) -> compose.Composed:
    """Compose the UPDATE that sets just these fields, for PostgreSQL to prepare once a combination."""
    assignments: list[compose.Composable] = []
    differences: list[compose.Composable] = []
    for name in changes:
        new = compose.SQL("{}::{}").format(compose.Placeholder(name), compose.SQL(_CASTS.get(name, "text")))
        assignments.append(compose.SQL("{} = {}").format(compose.Identifier(name), new))
        as_text = "::text" if name == "payload" else ""
        differences.append(
            compose.SQL("old.{}{} is distinct from {}{}").format(
                compose.Identifier(name), compose.SQL(as_text), new, compose.SQL(as_text)
            )
        )
    if "status" in changes:
        assignments.append(compose.SQL(_FINISHED_AT))
    return compose.SQL(UPDATE).format(
        changes=compose.SQL(", ").join(assignments),
        differs=compose.SQL("({})").format(compose.SQL(" or ").join(differences)),
    )


_FINISHED_AT = """finished_at = case
    when %(status)s::task_status in ('done', 'cancelled', 'failed') then coalesce(old.finished_at, clock_timestamp())
end"""


async def delete(database: Database, actor: str, task_id: UUID, versions: list[int] | None) -> None:
    """Delete a task.

    Raises Problem: not-found, precondition-failed.
    """
    rows = await database.fetch(DELETE, {"actor": actor, "id": task_id, "versions": versions})
    if not rows:
        raise not_found(task_id)
    if not rows[0][0]:
        raise precondition_failed()

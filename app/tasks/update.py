"""Changes tasks: each statement sets only the fields that the call changes."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache, partial
from typing import Any, LiteralString, NamedTuple, TypeVar
from uuid import UUID

import msgspec
import psycopg

from app.postgres.batching import Batcher
from app.postgres.pool import Connection, Database
from app.postgres.shares import Shares
from app.postgres.statements import Template, sql, toml
from app.problems import FieldError, invalid
from app.tasks.model import MAX_PAYLOAD, Retry, merge
from app.tasks.problems import not_open, precondition_failed, task_claimed, task_not_found, unique_key_held
from app.tasks.store import StoredTask, VersionedTask, array, in_utc, read, run_together
from app.validation import JSONObject, compact

UPDATE, UPDATE_STATUS = Template("tasks/update_tasks"), Template("tasks/update_task_status")
LOCK_PAYLOAD = sql("tasks/lock_task_payload")


class _Field(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    json: str | None = None
    and_set: str | None = None
    condition: str | None = msgspec.field(default=None, name="if")
    value: str | None = None


ALONE = {"status", "payload", "unique_key"}
"""Fields that get a statement of their own: a lease or another task may forbid them, or they are merged."""

FIELDS = msgspec.convert(toml("tasks/update_tasks"), dict[str, _Field])


class TaskChange(NamedTuple):
    """A call that changes a task; `versions` are those that it may be based on, None for any."""

    task_id: UUID
    actor: str
    values: dict[str, Any]
    versions: list[int] | None


class UpdatedTask(NamedTuple):
    """A row of update_tasks.sql."""

    id: bytes
    version: int
    task: bytes
    closed: str | None
    matched: bool


class UpdatedStatus(NamedTuple):
    """A row of update_task_status.sql."""

    version: int
    task: bytes
    closed: str | None
    matched: bool
    fresh: bool
    live_for_s: int | None


class Updates:
    """Changes tasks; changes of one moment that set the same fields share a statement.

    A shared statement skips tasks that another transaction has locked, as all its calls would wait for one lock. Those
    get a statement of their own, and so do changes of the fields in ALONE. All shared statements together have the
    connections of one key: there is one for each set of fields.
    """

    def __init__(self, database: Database, statements: Shares) -> None:
        self._database = database
        self._statements = statements
        self._shared = statements.of("", patient=True)
        self._batched = cache(lambda fields: Batcher(partial(self._together, fields)))

    async def __call__(self, change: TaskChange) -> VersionedTask:
        """Set fields of a task; where nothing differs, its version stays.

        Raises Problem: not-found, precondition-failed, invalid-request for a merged payload that is too large,
        task-claimed for a status other than cancelled where a worker holds the task, task-claimed or task-finished for
        another run_after where the task is not open, and unique-key-held.
        """
        fields = tuple(change.values)
        if not fields:
            return await self._unchanged(change)
        updated = None
        if not ALONE.intersection(fields):
            updated = await self._batched(fields)(change)
        if updated is None:
            try:
                async with self._statements.of(change.actor).connection() as connection:
                    return await _alone(connection, change)
            except psycopg.errors.UniqueViolation:
                raise unique_key_held() from None
        return _made(updated)

    async def _unchanged(self, change: TaskChange) -> StoredTask:
        [found] = await read(self._database, [change.task_id])
        if found is None:
            raise task_not_found(change.task_id)
        if change.versions is not None and found.version not in change.versions:
            raise precondition_failed()
        return found

    async def _together(self, fields: tuple[str, ...], changes: Sequence[TaskChange]) -> list[UpdatedTask | None]:
        statement = _statement(fields, "skip locked")
        return await run_together(self._shared, statement, changes, _to_recordset, UpdatedTask._make)


async def _alone(connection: Connection, change: TaskChange) -> VersionedTask:
    """Change one task; wait if another transaction has locked it."""
    if not change.values.get("payload"):
        return await _update(connection, change)
    async with connection.transaction():
        row = await (await connection.execute(LOCK_PAYLOAD, {"id": change.task_id})).fetchone()
        if row is None:
            raise task_not_found(change.task_id)
        (stored,) = row
        merged = merge(msgspec.json.decode(stored, type=JSONObject), change.values["payload"])
        return await _update(connection, change._replace(values={**change.values, "payload": _within_limit(merged)}))


async def _update(connection: Connection, change: TaskChange) -> VersionedTask:
    fields = tuple(change.values)
    if "status" in fields:
        return await _update_status(connection, fields, change)
    values = {"ids": array([change.task_id]), "calls": _to_recordset([change])}
    row = await (await connection.execute(_statement(fields, ""), values)).fetchone()
    if row is None:
        raise task_not_found(change.task_id)
    return _made(UpdatedTask._make(row))


async def _update_status(connection: Connection, fields: tuple[str, ...], change: TaskChange) -> VersionedTask:
    statement = _status_statement(fields)
    while True:
        values = {"id": change.task_id, "calls": _to_recordset([change])}
        row = await (await connection.execute(statement, values)).fetchone()
        if row is None:
            raise task_not_found(change.task_id)
        updated = UpdatedStatus._make(row)
        if updated.fresh:
            break
    if updated.matched and updated.live_for_s is not None:
        raise task_claimed(updated.live_for_s)
    return _made(updated)


U = TypeVar("U", UpdatedTask, UpdatedStatus)


def _made(updated: U) -> U:
    """Return the row of a change that was based on a current version, and that the status allows.

    Raises Problem: precondition-failed, task-claimed, task-finished.
    """
    if not updated.matched:
        raise precondition_failed()
    if updated.closed is not None:
        raise not_open(updated.closed)
    return updated


def _within_limit(payload: JSONObject) -> JSONObject:
    text = compact(payload)
    if len(text) > MAX_PAYLOAD:
        detail = f"#/payload would have {len(text)} bytes; it may have {MAX_PAYLOAD}."
        raise invalid(FieldError("body", "#/payload", detail))
    return msgspec.json.decode(text, type=JSONObject)


def _to_recordset(changes: Iterable[TaskChange]) -> str:
    rows = [
        {"id": change.task_id, "actor": change.actor, "versions": change.versions}
        | {name: in_utc(value) if isinstance(value, datetime) else value for name, value in change.values.items()}
        for change in changes
    ]
    return msgspec.json.encode(rows).decode()


@cache
def _statement(fields: tuple[str, ...], waiting: str) -> LiteralString:
    """Compose the UPDATE that sets just these fields; PostgreSQL prepares it once for each combination."""
    return UPDATE.fill(
        columns=", ".join(f"{name} {FIELDS[name].type}" for name in fields),
        assignments=", ".join(map(_assignments, fields)),
        differs=" or ".join(map(_differs, fields)),
        allowed=_allowed(fields),
        differences=", ".join(f"('{name}', {_as_json(name, 'old')}, {_as_json(name, 'new')})" for name in fields),
        waiting=waiting,
    )


@cache
def _status_statement(fields: tuple[str, ...]) -> LiteralString:
    others = [name for name in fields if name != "status"]
    return UPDATE_STATUS.fill(
        columns="".join(f", {name} {FIELDS[name].type}" for name in others),
        assignments="".join(f"{assignment}, " for assignment in map(_assignments, others)),
        differs="".join(f" or {_differs(name)}" for name in others),
        allowed=_allowed(others),
    )


def _assignments(name: str) -> str:
    return ", ".join(filter(None, [f"{name} = {_value(name)}", FIELDS[name].and_set]))


def _value(name: str) -> str:
    """Return the SQL of what a field becomes."""
    defaults = f"'{msgspec.json.encode(Retry()).decode()}'::jsonb"
    return (FIELDS[name].value or f"asked.{name}").replace("/*defaults*/", defaults)


def _allowed(fields: Iterable[str]) -> str:
    conditions = [f"({FIELDS[name].condition} or not ({_differs(name)}))" for name in fields if FIELDS[name].condition]
    return " and ".join(conditions) or "true"


def _differs(name: str) -> str:
    as_text = "::text" if FIELDS[name].type == "json" else ""
    return f"old.{name}{as_text} is distinct from {_value(name)}{as_text}"


def _as_json(name: str, row: str) -> str:
    return (FIELDS[name].json or f"to_json(/*row*/.{name})").replace("/*row*/", row)

"""Reads, inserts and deletes tasks. `actor` is the id of the API key that calls."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import LiteralString, NamedTuple, Protocol, TypeVar
from uuid import UUID

import msgspec
import psycopg

from app.postgres.batching import Batcher
from app.postgres.pool import Connection, Database, Row
from app.postgres.shares import Fetcher
from app.postgres.statements import Template, sql
from app.tasks.model import NewTask
from app.tasks.problems import precondition_failed, task_claimed, task_not_found
from app.validation import JSONObject, compact

GET, DELETE = sql("tasks/get_tasks"), sql("tasks/delete_task")
INSERT = Template("tasks/insert_tasks").fill(order="ordinality", conflict="")
INSERT_UNIQUE = Template("tasks/insert_tasks").fill(
    order="unique_key, ordinality",  # so that two batches that wait for each other's keys cannot deadlock
    conflict="on conflict (unique_key) where unique_key is not null and finished_at is null do nothing",
)
GET_UNFINISHED = sql("tasks/get_unfinished_tasks")


class VersionedTask(Protocol):
    """A row that has a task; `task` is JSON."""

    @property
    def version(self) -> int: ...

    @property
    def task(self) -> bytes: ...


class StoredTask(NamedTuple):
    """A row of get_tasks.sql."""

    id: bytes
    version: int
    task: bytes


class CreatedTask(NamedTuple):
    """A row of insert_tasks.sql."""

    number: int
    id: UUID
    version: int
    task: bytes


class UnfinishedTask(NamedTuple):
    """A row of get_unfinished_tasks.sql."""

    unique_key: str
    id: UUID
    version: int
    task: bytes


class Creation(NamedTuple):
    """What came of a new task: `existing` where another unfinished one had its unique key, which is the answer then."""

    task: CreatedTask
    existing: bool


class DeletedTask(NamedTuple):
    """A row of delete_task.sql."""

    matched: bool
    fresh: bool
    live_for_s: int | None


class BatchedTasks:
    """Reads and creates single tasks; calls of one moment share a statement."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._get = Batcher(partial(read, database))
        self._create = Batcher(self._create_together)
        self._create_or_find = Batcher(self._create_or_find_together)

    async def get(self, task_id: UUID) -> StoredTask:
        """Return a task.

        Raises Problem: not-found; psycopg.OperationalError.
        """
        found = await self._get(task_id)
        if found is None:
            raise task_not_found(task_id)
        return found

    async def create(self, actor: str, task: NewTask) -> Creation:
        """Insert a task, or find the unfinished one that has its unique key.

        Raises psycopg.OperationalError.
        """
        if task.unique_key is not None:
            return await self._create_or_find((actor, task))
        return Creation(await self._create((actor, task)), existing=False)

    async def _create_together(self, new: Sequence[tuple[str, NewTask]]) -> list[CreatedTask]:
        async with self._database.connection() as connection:
            return await _insert(connection, INSERT, [actor for actor, _ in new], [task for _, task in new])

    async def _create_or_find_together(self, new: Sequence[tuple[str, NewTask]]) -> list[Creation]:
        came: dict[int, Creation] = {}
        async with self._database.connection() as connection:
            while left := [place for place in range(len(new)) if place not in came]:
                actors, tasks = [new[place][0] for place in left], [new[place][1] for place in left]
                found = await _insert_or_find(connection, actors, tasks)
                came |= {left[place]: creation for place, creation in found.items()}
        return [came[place] for place in range(len(new))]


async def read(database: Database, task_ids: Sequence[UUID]) -> list[StoredTask | None]:
    """Return tasks in the order of their ids, None for one that does not exist."""
    found = {row.id: row for row in map(StoredTask._make, await database.fetch(GET, {"ids": array(task_ids)}))}
    return [found.get(task_id.bytes) for task_id in task_ids]


class _Call(Protocol):
    @property
    def task_id(self) -> UUID: ...


class _TaskRow(Protocol):
    @property
    def id(self) -> bytes: ...


C = TypeVar("C", bound=_Call)
R = TypeVar("R", bound=_TaskRow)


async def run_together(
    database: Fetcher,
    statement: LiteralString,
    calls: Sequence[C],
    encode: Callable[[Iterable[C]], str],
    make_row: Callable[[Row], R],
) -> list[R | None]:
    """Run a statement for many tasks at once, and return its row for each call.

    None marks the calls that need a statement of their own: those whose task does not exist or is locked by another
    transaction, which the statement skips, and all but the first call for the same task.
    """
    first = {call.task_id: call for call in reversed(calls)}
    rows = await database.fetch(statement, {"ids": array(first), "calls": encode(first.values())})
    found = {row.id: row for row in map(make_row, rows)}
    return [found.get(call.task_id.bytes) if first[call.task_id] is call else None for call in calls]


def array(ids: Iterable[UUID]) -> str:
    """Return ids as the text of a PostgreSQL array, five times as fast as psycopg's dumper."""
    return "{" + ",".join([each.hex for each in ids]) + "}"


async def create(connection: Connection, actor: str, tasks: Sequence[NewTask]) -> list[Creation]:
    """Insert tasks, all or none, or find the unfinished ones that have their unique keys; in the order given."""
    actors = [actor] * len(tasks)
    if all(task.unique_key is None for task in tasks):
        return [Creation(made, existing=False) for made in await _insert(connection, INSERT, actors, tasks)]
    while True:
        async with connection.transaction() as attempt:
            came = await _insert_or_find(connection, actors, tasks)
            if len(came) < len(tasks):
                raise psycopg.Rollback(attempt)
            return [came[place] for place in range(len(tasks))]


async def _insert_or_find(
    connection: Connection, actors: Sequence[str], tasks: Sequence[NewTask]
) -> dict[int, Creation]:
    """Return what came of tasks by their places; one is missing whose key was held by a task that has ended since."""
    made = await _insert(connection, INSERT_UNIQUE, actors, tasks)
    came = {task.number - 1: Creation(task, existing=False) for task in made}
    keys = {place: task.unique_key for place, task in enumerate(tasks) if place not in came}
    if keys:
        rows = await (await connection.execute(GET_UNFINISHED, {"keys": list(keys.values())})).fetchall()
        there = {row.unique_key: row for row in map(UnfinishedTask._make, rows)}
        for place, key in keys.items():
            if key in there:
                found = there[key]
                came[place] = Creation(CreatedTask(place + 1, found.id, found.version, found.task), existing=True)
    return came


async def _insert(
    connection: Connection, statement: LiteralString, actors: Sequence[str], tasks: Sequence[NewTask]
) -> list[CreatedTask]:
    rows = await connection.execute(statement, {"actors": actors, "tasks": _to_recordset(tasks)})
    return [CreatedTask._make(row) for row in await rows.fetchall()]


def _to_recordset(tasks: Sequence[NewTask]) -> str:
    for task in tasks:
        task.payload = _compacted(task.payload)
        task.due_at = in_utc(task.due_at)
        task.run_after = in_utc(task.run_after)
    return msgspec.json.encode(tasks).decode()


def in_utc(time: datetime | None) -> datetime | None:
    """Return the same time in UTC: PostgreSQL accepts offsets up to 15:59, RFC 3339 up to 23:59."""
    return time and time.astimezone(UTC)


def _compacted(payload: JSONObject) -> JSONObject:
    return msgspec.json.decode(compact(payload), type=JSONObject) if payload else payload


async def delete(database: Fetcher, actor: str, task_id: UUID, versions: list[int] | None) -> None:
    """Delete a task.

    Raises Problem: not-found, precondition-failed, task-claimed.
    """
    while True:
        rows = await database.fetch(DELETE, {"actor": actor, "id": task_id, "versions": versions})
        if not rows:
            raise task_not_found(task_id)
        deleted = DeletedTask._make(rows[0])
        if deleted.fresh:
            break
    if not deleted.matched:
        raise precondition_failed()
    if deleted.live_for_s is not None:
        raise task_claimed(deleted.live_for_s)

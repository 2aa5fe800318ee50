"""Leases in the database: each call is a compare-and-set on its clock. `actor` is the id of the API key that calls."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import msgspec

from app.leases.counters import CLAIMS, PULSES, TAKEOVERS
from app.leases.model import Claim, ClaimMany, Completion, Failure, Pulse
from app.postgres.batching import Shared
from app.postgres.pool import Connection, Database, Row
from app.postgres.statements import Template, sql
from app.problems import Problem
from app.tasks.problems import task_claimed, task_not_found
from app.tasks.store import Versioned, array, change_together

CLAIM, CLAIM_MANY = sql("leases/claim_task"), Template("leases/claim_tasks")
PULSE, PULSE_ALONE = (Template("leases/pulse_leases").fill(waiting=waiting) for waiting in ("skip locked", ""))
COMPLETE, FAIL, RELEASE = sql("leases/complete_task"), sql("leases/fail_task"), sql("leases/release_task")
REQUEUE, GET, EXPLAIN = sql("leases/requeue_task"), sql("leases/get_lease"), sql("leases/explain_refusal")

FINISHED = ("done", "cancelled", "failed")
REASONS = {
    "resting": "The last worker failed and asked for a pause.",
    "held": "A worker holds the task.",
    "cancelling": "The lease has expired, and the task is about to be cancelled.",
    "exhausted": "The lease of the last attempt has expired; the task fails unless its worker comes back.",
}


async def claim(connection: Connection, actor: str, task_id: UUID, wanted: Claim) -> bytes:
    """Claim one task; return it with its lease as JSON.

    Raises Problem: not-found, task-claimed, task-finished.
    """
    values = {"id": task_id, "actor": actor, "worker": wanted.worker, "ttl_s": wanted.ttl_s}
    while True:
        rows = await (await connection.execute(CLAIM, values)).fetchall()
        if rows:
            [claimed_task] = _granted(rows)
            return claimed_task
        problem = await _why_not_claimed(connection, task_id)
        if problem is not None:
            CLAIMS.labels("refused").inc()
            raise problem


async def claim_many(connection: Connection, actor: str, wanted: ClaimMany) -> list[bytes]:
    """Claim the most urgent tasks that nobody holds; return each with its lease as JSON, or nothing."""
    values = {"actor": actor, "worker": wanted.worker, "ttl_s": wanted.ttl_s, "labels": wanted.labels}
    statement = _claim_statement(wanted.limit, labelled=bool(wanted.labels))
    return _granted(await (await connection.execute(statement, values)).fetchall())


@cache
def _claim_statement(limit: int, *, labelled: bool) -> LiteralString:
    """Compose the statement with the limit as a literal, so that the planner knows how few rows it is about."""
    condition = "t.labels::text[] && %(labels)s::text[]" if labelled else "true"
    return CLAIM_MANY.fill(limit=str(limit), labelled=condition)


def _granted(rows: list[tuple[Any, ...]]) -> list[bytes]:
    CLAIMS.labels("granted").inc(len(rows))
    TAKEOVERS.inc(sum(taken_over for _, taken_over in rows))
    return [claimed_task for claimed_task, _ in rows]


async def _why_not_claimed(connection: Connection, task_id: UUID) -> Problem | None:
    """Return the problem that keeps a task from being claimed, or None where it is over by now."""
    row = await (await connection.execute(EXPLAIN, {"id": task_id})).fetchone()
    if row is None:
        return task_not_found(task_id)
    status, reason, again_in_s = row
    if status in FINISHED:
        return Problem("task-finished", f"The task is {status}.")
    return reason and Problem("task-claimed", REASONS[reason], retry_after_s=again_in_s)


class SignOfLife(NamedTuple):
    """A pulse and the task it is for."""

    task_id: UUID
    pulse: Pulse


class Pulses:
    """Prolongs leases; those of one moment share a statement."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._shared = Shared(self._together)

    async def __call__(self, sign: SignOfLife) -> bytes:
        """Prolong a lease, an expired one too unless somebody else has claimed since; return what is to be answered.

        Raises Problem: not-found, lease-lost.
        """
        row = await self._shared(sign)
        if row is None:
            async with self._database.connection() as connection:
                values = {"ids": array([sign.task_id]), "calls": _to_recordset([sign])}
                row = await (await connection.execute(PULSE_ALONE, values)).fetchone()
                if row is None:
                    PULSES.labels("lost").inc()
                    raise await _why_not_held(connection, sign.task_id, lost_when_finished=True)
        PULSES.labels("accepted").inc()
        answer: bytes = row[1]
        return answer

    async def _together(self, signs: Sequence[SignOfLife]) -> list[Row | None]:
        return await change_together(self._database, PULSE, signs, _to_recordset)


def _to_recordset(signs: Iterable[SignOfLife]) -> str:
    rows = [
        {"id": task_id, "token": _uuid(pulse.token), "progress": pulse.progress, "note": pulse.note}
        for task_id, pulse in signs
    ]
    return msgspec.json.encode(rows).decode()


async def complete(connection: Connection, actor: str, task_id: UUID, completion: Completion) -> Versioned:
    """Make a task done; a task that this token completed stays as it is.

    Raises Problem: not-found, lease-lost, task-finished.
    """
    values = {"id": task_id, "actor": actor, "token": _uuid(completion.token)}
    result = None if completion.result is None else msgspec.json.encode(completion.result).decode()
    return await _end(connection, COMPLETE, {**values, "result": result})


async def fail(connection: Connection, actor: str, task_id: UUID, failure: Failure) -> Versioned:
    """End an attempt that went wrong: the task is open again, failed after its last attempt, or cancelled as asked for.

    Raises Problem: not-found, lease-lost, task-finished.
    """
    values = {"error": failure.error, "retry_in_s": failure.retry_in_s}
    return await _end(connection, FAIL, {"id": task_id, "actor": actor, "token": _uuid(failure.token), **values})


async def release(connection: Connection, actor: str, task_id: UUID, token: str) -> Versioned:
    """Give a task back without spending an attempt: it is open again, or cancelled as asked for.

    Raises Problem: not-found, lease-lost, task-finished.
    """
    return await _end(connection, RELEASE, {"id": task_id, "actor": actor, "token": _uuid(token)})


async def _end(connection: Connection, statement: LiteralString, values: Mapping[str, Any]) -> Versioned:
    row = await (await connection.execute(statement, values)).fetchone()
    if row is None:
        raise await _why_not_held(connection, values["id"])
    version, task = row
    return version, task


async def _why_not_held(connection: Connection, task_id: UUID, *, lost_when_finished: bool = False) -> Problem:
    row = await (await connection.execute(EXPLAIN, {"id": task_id})).fetchone()
    if row is None:
        return task_not_found(task_id)
    if row[0] in FINISHED and not lost_when_finished:
        return Problem("task-finished", f"The task is {row[0]}.")
    return Problem("lease-lost", "The token is not that of the task's present lease.")


async def requeue(connection: Connection, actor: str, task_id: UUID) -> Versioned:
    """Make a task open again, with all its attempts.

    Raises Problem: not-found, task-claimed while a worker holds it.
    """
    fresh = False
    while not fresh:
        row = await (await connection.execute(REQUEUE, {"id": task_id, "actor": actor})).fetchone()
        if row is None:
            raise task_not_found(task_id)
        version, task, fresh, live_for_s = row
    if live_for_s is not None:
        raise task_claimed(live_for_s)
    return version, task


async def get(database: Database, task_id: UUID) -> bytes:
    """Return who holds a task, or held it last, as JSON.

    Raises Problem: not-found, where there is no lease or no task.
    """
    rows = await database.fetch(GET, {"id": task_id})
    if not rows:
        raise Problem("not-found", f"There is no lease on a task {task_id}.")
    state: bytes = rows[0][0]
    return state


def _uuid(token: str) -> UUID | None:
    """Return the token as the database has it; None, which equals nothing, where it cannot be one."""
    try:
        return UUID(token)
    except ValueError:
        return None

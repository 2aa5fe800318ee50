"""Claims, extends and ends leases, each in one statement. `actor` is the id of the API key that calls."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import msgspec
import psycopg
from msgspec import UNSET

from app.leases.metrics import CLAIMS, PULSES, TAKEOVERS
from app.leases.model import Claim, ClaimMany, Completion, Failure, Pulse
from app.postgres.batching import Batcher
from app.postgres.pool import Connection, Database, Row
from app.postgres.shares import Fetcher, Shares
from app.postgres.statements import Template, sql, toml
from app.problems import Problem
from app.tasks.problems import task_claimed, task_not_found, unique_key_held
from app.tasks.store import VersionedTask, array, run_together
from app.validation import compact

CLAIM, CLAIM_MANY = sql("leases/claim_task"), Template("leases/claim_tasks")
PULSE, PULSE_ALONE = (
    Template("leases/pulse_leases").fill(waiting=waiting, allowed=toml("leases/pulse_leases")[allowed])
    for waiting, allowed in (("skip locked", "together"), ("", "alone"))
)
COMPLETE, FAIL, RELEASE = sql("leases/complete_task"), sql("leases/fail_task"), sql("leases/release_task")
REQUEUE, GET, EXPLAIN = sql("leases/requeue_task"), sql("leases/get_lease"), sql("leases/explain_refusal")

PARTS = msgspec.convert(toml("leases/claim_tasks"), dict[str, dict[str, str]])
OTHERS = 15
"""Tasks that a claim finds beyond those that it takes, as other claims may lock the first ones at the same time."""
TRIES = 5
"""How often a claim looks again where others locked all that it found."""


class ClaimRow(NamedTuple):
    """A row of claim_task.sql and claim_tasks.sql; `claimed` is a ClaimedTask as JSON, None if others were faster."""

    claimed: bytes | None
    taken_over: bool


class Refusal(NamedTuple):
    """A row of explain_refusal.sql."""

    status: str
    reason: str | None
    again_in_s: int
    queue: str | None


class PulseRow(NamedTuple):
    """A row of pulse_leases.sql; `heartbeat` is a Heartbeat as JSON."""

    id: bytes
    heartbeat: bytes


class EndedTask(NamedTuple):
    """A row of complete_task.sql, fail_task.sql and release_task.sql."""

    version: int
    task: bytes


class RequeuedTask(NamedTuple):
    """A row of requeue_task.sql."""

    version: int
    task: bytes
    fresh: bool
    live_for_s: int | None


FINISHED = ("done", "cancelled", "failed")
REASONS = {
    "resting": "The last worker failed and asked for a pause.",
    "scheduled": "The task waits; its claimable_at says until when.",
    "held": "A worker holds the task.",
    "cancelling": "The lease has expired, and the task is about to be cancelled.",
    "exhausted": "The lease of the last attempt has expired; the task fails unless its worker comes back.",
    "paused": "The queue of the label {queue!r} is paused.",
    "full": "The queue of the label {queue!r} has as many leases as its max_leases allows.",
}
PROBLEMS = {"scheduled": "task-not-ready", "paused": "queue-paused", "full": "queue-full"}
"""Of those reasons that have a problem of their own."""


async def claim(connection: Connection, actor: str, task_id: UUID, wanted: Claim) -> bytes:
    """Claim one task; return it with its lease as JSON.

    Raises Problem: not-found, task-claimed, task-not-ready, task-finished, queue-paused, queue-full.
    """
    values = {"id": task_id, "actor": actor, "worker": wanted.worker, "ttl_s": wanted.ttl_s}
    while True:
        rows = await (await connection.execute(CLAIM, values)).fetchall()
        if rows:
            [claimed] = _granted(rows)
            return claimed
        problem = await _why_not_claimed(connection, task_id)
        if problem is not None:
            CLAIMS.labels("refused").inc()
            raise problem


async def claim_many(connection: Connection, actor: str, wanted: ClaimMany) -> list[bytes]:
    """Claim the most urgent tasks that nobody holds; return each with its lease as JSON, or nothing."""
    values = {"actor": actor, "worker": wanted.worker, "ttl_s": wanted.ttl_s, "labels": wanted.labels}
    statement = _claim_statement(wanted.limit, labelled=bool(wanted.labels))
    for _ in range(TRIES):
        rows = await (await connection.execute(statement, values)).fetchall()
        if granted := _granted(rows):
            return granted
        if not rows:
            break
    return []


@cache
def _claim_statement(limit: int, *, labelled: bool) -> LiteralString:
    """Return the statement with its limits as literals, so that the planner knows how few rows it needs."""
    looks = str(limit + OTHERS)
    parts = {name: part.replace("/*looks*/", looks) for name, part in PARTS["some" if labelled else "any"].items()}
    return CLAIM_MANY.fill(limit=str(limit), looks=looks, **parts)


def _granted(rows: list[Row]) -> list[bytes]:
    claims = [(claim.claimed, claim.taken_over) for claim in map(ClaimRow._make, rows) if claim.claimed is not None]
    CLAIMS.labels("granted").inc(len(claims))
    TAKEOVERS.inc(sum(taken_over for _, taken_over in claims))
    return [claimed for claimed, _ in claims]


async def _why_not_claimed(connection: Connection, task_id: UUID) -> Problem | None:
    """Return the problem that keeps a task from being claimed, or None where it can be claimed by now."""
    refusal = await _refusal(connection, task_id)
    if refusal is None:
        return task_not_found(task_id)
    if refusal.status in FINISHED:
        return task_finished(refusal.status)
    if refusal.reason is None:
        return None
    why = REASONS[refusal.reason].format(queue=refusal.queue)
    return Problem(PROBLEMS.get(refusal.reason, "task-claimed"), why, retry_after_s=refusal.again_in_s)


async def _refusal(connection: Connection, task_id: UUID) -> Refusal | None:
    row = await (await connection.execute(EXPLAIN, {"id": task_id})).fetchone()
    return None if row is None else Refusal._make(row)


class PulseCall(NamedTuple):
    """A pulse, the task it is for, and the key that calls."""

    task_id: UUID
    pulse: Pulse
    actor: str


class Pulses:
    """Extends leases; pulses of one moment share a statement."""

    def __init__(self, database: Database, statements: Shares) -> None:
        self._database = database
        self._statements = statements
        self._batched = Batcher(self._together)

    async def __call__(self, call: PulseCall) -> bytes:
        """Extend a lease, an expired one too unless somebody else has claimed since; return a Heartbeat as JSON.

        Raises Problem: not-found, lease-lost; psycopg.OperationalError.
        """
        row = await self._batched(call) or await self._alone(call)
        PULSES.labels("accepted").inc()
        return row.heartbeat

    async def _together(self, calls: Sequence[PulseCall]) -> list[PulseRow | None]:
        return await run_together(self._database, PULSE, calls, _to_recordset, PulseRow._make)

    async def _alone(self, call: PulseCall) -> PulseRow:
        async with self._statements.of(call.actor).connection() as connection:
            values = {"ids": array([call.task_id]), "calls": _to_recordset([call])}
            row = await (await connection.execute(PULSE_ALONE, values)).fetchone()
            if row is None:
                PULSES.labels("lost").inc()
                raise await _why_not_held(connection, call.task_id, of_pulse=True)
            return PulseRow._make(row)


def _to_recordset(calls: Iterable[PulseCall]) -> str:
    rows = [
        {"id": task_id, "token": token_uuid(pulse.token), "progress": pulse.progress, "note": pulse.note}
        for task_id, pulse, _ in calls
    ]
    return msgspec.json.encode(rows).decode()


async def complete(connection: Connection, actor: str, task_id: UUID, completion: Completion) -> VersionedTask:
    """Make a task done; a task that this token completed stays as it is.

    Raises Problem: not-found, lease-lost, task-finished.
    """
    values = {"id": task_id, "actor": actor, "token": token_uuid(completion.token)}
    result = None if completion.result is UNSET else compact(completion.result).decode()
    return await _end(connection, COMPLETE, {**values, "result": result})


async def fail(connection: Connection, actor: str, task_id: UUID, failure: Failure) -> VersionedTask:
    """End an attempt that went wrong: the task is open again, failed after its last attempt, or cancelled as asked for.

    Where `fail` or `release` with this token ended the latest lease already, the task stays as it is now.
    Raises Problem: not-found, lease-lost, task-finished.
    """
    values = {"error": failure.error, "retry_in_s": failure.retry_in_s}
    return await _end(connection, FAIL, {"id": task_id, "actor": actor, "token": token_uuid(failure.token), **values})


async def release(connection: Connection, actor: str, task_id: UUID, token: str) -> VersionedTask:
    """Give a task back without spending an attempt: it is open again, or cancelled as asked for.

    Where `fail` or `release` with this token ended the latest lease already, the task stays as it is now.
    Raises Problem: not-found, lease-lost, task-finished.
    """
    return await _end(connection, RELEASE, {"id": task_id, "actor": actor, "token": token_uuid(token)})


async def _end(connection: Connection, statement: LiteralString, values: Mapping[str, Any]) -> VersionedTask:
    row = await (await connection.execute(statement, values)).fetchone()
    if row is None:
        raise await _why_not_held(connection, values["id"])
    return EndedTask._make(row)


async def _why_not_held(connection: Connection, task_id: UUID, *, of_pulse: bool = False) -> Problem:
    refusal = await _refusal(connection, task_id)
    if refusal is None:
        return task_not_found(task_id)
    if refusal.status in FINISHED and not of_pulse:
        return task_finished(refusal.status)
    return lease_lost(refusal.queue if refusal.reason == "full" and of_pulse else None)


def lease_lost(full_queue: str | None = None) -> Problem:
    """Return the problem for a token that does not hold its task, or whose late pulse finds a queue without room."""
    if full_queue is not None:
        return Problem("lease-lost", "The lease has expired. " + REASONS["full"].format(queue=full_queue))
    return Problem("lease-lost", "The token is not that of the task's present lease.")


def task_finished(status: str) -> Problem:
    """Return the problem for a call that a task with this status does not take any more."""
    return Problem("task-finished", f"The task is {status}.")


async def requeue(connection: Connection, actor: str, task_id: UUID) -> VersionedTask:
    """Make a task open again, with all its attempts.

    Raises Problem: not-found, task-claimed while a worker holds it, unique-key-held.
    """
    while True:
        try:
            row = await (await connection.execute(REQUEUE, {"id": task_id, "actor": actor})).fetchone()
        except psycopg.errors.UniqueViolation:
            raise unique_key_held() from None
        if row is None:
            raise task_not_found(task_id)
        requeued = RequeuedTask._make(row)
        if requeued.fresh:
            break
    if requeued.live_for_s is not None:
        raise task_claimed(requeued.live_for_s)
    return requeued


async def get(database: Fetcher, task_id: UUID) -> bytes:
    """Return the lease on a task, live or expired, as JSON.

    Raises Problem: not-found, where there is no lease or no task.
    """
    states: list[tuple[bytes]] = await database.fetch(GET, {"id": task_id})
    if not states:
        raise Problem("not-found", f"There is no lease on a task {task_id}.")
    [(state,)] = states
    return state


def token_uuid(token: str) -> UUID | None:
    """Return the token as a UUID; None, which equals no token in SQL, where it cannot be one."""
    try:
        return UUID(token)
    except ValueError:
        return None

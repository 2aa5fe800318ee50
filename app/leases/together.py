"""Keeps and ends many leases in one statement, each on its own. `actor` is the id of the API key that calls."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString, NamedTuple, Protocol
from uuid import UUID

import msgspec
from msgspec import UNSET

from app.leases.items import CompletionItem, FailureItem, PulseItem, Verdict
from app.leases.metrics import PULSES
from app.leases.store import FINISHED, lease_lost, task_finished, token_uuid
from app.postgres.pool import Connection, Row
from app.postgres.statements import sql
from app.problems import Problem
from app.tasks.model import Status
from app.tasks.problems import task_not_found
from app.validation import compact

PULSE, COMPLETE, FAIL = sql("leases/pulse_many_leases"), sql("leases/complete_tasks"), sql("leases/fail_tasks")


class PulsedLease(NamedTuple):
    """A row of pulse_many_leases.sql."""

    id: bytes
    status: Status
    version: int
    cancel_requested: bool
    pulse_every_s: int | None
    expires_at: datetime | None
    queue: str | None


class CompletedTask(NamedTuple):
    """A row of complete_tasks.sql."""

    id: bytes
    status: Status
    version: int
    ended: bool


class FailedTask(NamedTuple):
    """A row of fail_tasks.sql."""

    id: bytes
    status: Status
    version: int
    ended: bool
    ready: list[str] | None


class _EndedTask(Protocol):
    @property
    def status(self) -> Status: ...
    @property
    def version(self) -> int: ...
    @property
    def ended(self) -> bool: ...


async def pulse(connection: Connection, items: Sequence[PulseItem]) -> list[Verdict | Problem]:
    """Extend leases, as `Pulses` does for one; return what came of each, in the order given.

    The problems are not-found and lease-lost.
    """
    calls = [
        {"id": item.id, "token": token_uuid(item.token), "progress": item.progress, "note": item.note} for item in items
    ]
    rows = await _fetch(connection, PULSE, calls)
    found = {row.id: row for row in map(PulsedLease._make, rows)}
    verdicts = [_extended(item.id, found.get(item.id.bytes)) for item in items]
    accepted = sum(isinstance(verdict, Verdict) for verdict in verdicts)
    PULSES.labels("accepted").inc(accepted)
    PULSES.labels("lost").inc(len(verdicts) - accepted)
    return verdicts


def _extended(task_id: UUID, row: PulsedLease | None) -> Verdict | Problem:
    if row is None:
        return task_not_found(task_id)
    if row.expires_at is None or row.pulse_every_s is None:
        return lease_lost(row.queue)
    return Verdict(
        task_id,
        ok=True,
        status=row.status,
        version=row.version,
        expires_at=row.expires_at,
        pulse_every_s=row.pulse_every_s,
        cancel_requested=row.cancel_requested,
    )


async def complete(connection: Connection, actor: str, items: Sequence[CompletionItem]) -> list[Verdict | Problem]:
    """Make tasks done, as `store.complete` does for one; return what came of each, in the order given.

    The problems are not-found, lease-lost and task-finished.
    """
    calls = [{"id": item.id, "token": token_uuid(item.token), "result": _result(item)} for item in items]
    rows = map(CompletedTask._make, await _fetch(connection, COMPLETE, calls, actor))
    found = {row.id: row for row in rows}
    return [_accepted(item.id, found.get(item.id.bytes)) for item in items]


async def fail(
    connection: Connection, actor: str, items: Sequence[FailureItem]
) -> tuple[list[Verdict | Problem], list[list[str]]]:
    """End attempts, as `store.fail` does for one; return what came of each, and the labels of tasks that are ready now.

    The problems are not-found, lease-lost and task-finished.
    """
    calls = [
        {"id": item.id, "token": token_uuid(item.token), "error": item.error, "retry_in_s": item.retry_in_s}
        for item in items
    ]
    rows = map(FailedTask._make, await _fetch(connection, FAIL, calls, actor))
    found = {row.id: row for row in rows}
    verdicts = [_accepted(item.id, found.get(item.id.bytes)) for item in items]
    return verdicts, [row.ready for row in found.values() if row.ready is not None]


def _accepted(task_id: UUID, row: _EndedTask | None) -> Verdict | Problem:
    if row is None:
        return task_not_found(task_id)
    if row.ended:
        return Verdict(task_id, ok=True, status=row.status, version=row.version)
    return task_finished(row.status) if row.status in FINISHED else lease_lost()


def _result(item: CompletionItem) -> str | None:
    return None if item.result is UNSET else compact(item.result).decode()


async def _fetch(
    connection: Connection, statement: LiteralString, calls: list[dict[str, Any]], actor: str | None = None
) -> list[Row]:
    values = {"calls": msgspec.json.encode(calls).decode(), "actor": actor}
    return await (await connection.execute(statement, values)).fetchall()

"""What the stored answer of a claim is worth when its request is repeated: a lease that has ended must not begin again.

A claim that ran again instead would give a lease that nobody knows of to a request that was only sent twice.
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from app.http.idempotency import ResponseData
from app.leases.held import held_tokens
from app.postgres.pool import Connection
from app.problems import Problem


class NoLeaseLeft(Exception):  # noqa: N818 - not an error: the answer is 204
    """Every lease of a repeated claim has ended."""


class _Task(msgspec.Struct):
    id: UUID


class _Lease(msgspec.Struct):
    token: UUID


class _Claimed(msgspec.Struct):
    task: _Task
    lease: _Lease


class _ClaimedTasks(msgspec.Struct):
    items: list[msgspec.Raw]


async def require_held(connection: Connection, stored: ResponseData) -> ResponseData:
    """Return the stored answer of a claim of one task.

    Raises Problem: lease-lost, where its lease has ended.
    """
    if not await _held(connection, [stored.body]):
        raise Problem("lease-lost", "The lease of this claim has ended; claim with a new Idempotency-Key.")
    return stored


async def leases_still_held(connection: Connection, stored: ResponseData) -> ResponseData:
    """Return the stored answer of a claim of many with those leases that have not ended.

    Raises NoLeaseLeft.
    """
    items = [bytes(item) for item in msgspec.json.decode(stored.body, type=_ClaimedTasks).items]
    held = await _held(connection, items)
    if not held:
        raise NoLeaseLeft
    return ResponseData(stored.status, stored.headers, b'{"items":[' + b",".join(held) + b"]}")


async def _held(connection: Connection, items: Sequence[bytes]) -> list[bytes]:
    """Return those of claimed tasks, each as JSON, whose lease has not ended."""
    claims = [msgspec.json.decode(item, type=_Claimed) for item in items]
    held = await held_tokens(connection, {claim.lease.token: claim.task.id for claim in claims})
    return [item for item, claim in zip(items, claims, strict=True) if claim.lease.token in held]

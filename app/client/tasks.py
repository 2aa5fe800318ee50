"""Calls about tasks, as `taskpulse tasks` makes them."""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from app.client.answers import RefusedError
from app.client.api import Api
from app.client.ask import ask
from app.client.conditional import change, if_match

Action = Literal["cancel", "requeue", "delete"]
MOST_AT_ONCE = 1000
"""Tasks that one call for many changes at most."""


class Task(msgspec.Struct):
    """What of a task is shown to people."""

    id: str
    title: str
    description: str | None
    status: str
    priority: str
    assignee: str | None
    labels: list[str]
    due_at: datetime | None
    run_after: datetime | None
    claimable_at: datetime | None
    payload: msgspec.Raw
    max_attempts: int
    retry: msgspec.Raw
    unique_key: str | None
    attempts: int
    cancel_requested: bool
    result: msgspec.Raw
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    version: int


class Lease(msgspec.Struct):
    """What of a lease is shown to people."""

    worker: str
    attempt: int
    state: str
    pulsed_at: datetime
    expires_at: datetime
    progress: float | None
    note: str | None


class Outcome(msgspec.Struct):
    """What a call about many tasks changed, or would change."""

    changed: int
    skipped: int
    more: bool


class AlreadyFinishedError(Exception):
    """The task cannot be cancelled any more."""


def decoded(raw: msgspec.Raw) -> Task:
    """Return a task for people."""
    return msgspec.json.decode(raw, type=Task)


def _key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


async def read(api: Api, task_id: str) -> msgspec.Raw:
    """Return a task as the API sent it; raises what `ask` raises, as all calls here do."""
    raw: msgspec.Raw = await ask(api, "GET", f"tasks/{task_id}")
    return raw


async def lease_of(api: Api, task_id: str) -> Lease | None:
    """Return the lease of a task; None where there is none."""
    try:
        lease: Lease = await ask(api, "GET", f"tasks/{task_id}/lease", answer=Lease)
    except RefusedError as error:
        if error.status == 404:
            return None
        raise
    return lease


async def create(api: Api, fields: Mapping[str, Any], idempotency_key: str | None) -> msgspec.Raw:
    """Create a task and return it; where an unfinished task has its `unique_key`, return that one."""
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key is not None else _key()
    raw: msgspec.Raw = await ask(api, "POST", "tasks", json=fields, headers=headers)
    return raw


class Edit(msgspec.Struct):
    """What to change of a task: a merge patch, and labels to add and to remove."""

    patch: dict[str, Any]
    add_labels: Sequence[str] = ()
    remove_labels: Sequence[str] = ()

    def of(self, task: Task) -> dict[str, Any]:
        """Return the merge patch for a task."""
        if not self.add_labels and not self.remove_labels:
            return self.patch
        kept = [label for label in task.labels if label not in self.remove_labels]
        return {**self.patch, "labels": kept + [label for label in self.add_labels if label not in kept]}


async def edit(api: Api, task_id: str, wanted: Edit, version: int | None) -> msgspec.Raw:
    """Change a task and return it; with a `version`, only if that is the present one."""

    async def attempt() -> msgspec.Raw:
        task = decoded(await read(api, task_id))
        headers = if_match(version or task.version)
        raw: msgspec.Raw = await ask(api, "PATCH", f"tasks/{task_id}", json=wanted.of(task), headers=headers)
        return raw

    return await change(attempt, again=version is None)


async def cancel(api: Api, task_id: str) -> msgspec.Raw:
    """Cancel a task, or ask the worker that holds it to stop; return the task.

    Raises AlreadyFinishedError.
    """

    async def attempt() -> msgspec.Raw:
        raw = await read(api, task_id)
        task = decoded(raw)
        if task.status in ("done", "failed"):
            raise AlreadyFinishedError(f"task {task_id} is {task.status} already, so there is nothing to cancel")
        if task.status == "cancelled":
            return raw
        body = {"status": "cancelled"}
        return msgspec.Raw(await ask(api, "PATCH", f"tasks/{task_id}", json=body, headers=if_match(task.version)))

    return await change(attempt)


async def requeue(api: Api, task_id: str) -> msgspec.Raw:
    """Make a finished task open again and return it."""
    raw: msgspec.Raw = await ask(api, "POST", f"tasks/{task_id}/requeue", headers=_key())
    return raw


async def delete(api: Api, task_id: str) -> None:
    """Delete a task for good."""
    await ask(api, "DELETE", f"tasks/{task_id}", answer=None)


async def count(api: Api, action: Action, filters: Mapping[str, Any], limit: int) -> Outcome:
    """Return what a call for the tasks that match would change; it counts up to `limit`, or 1,000."""
    return await _change_many(api, action, filters, limit, dry_run=True)


async def change_many(api: Api, action: Action, filters: Mapping[str, Any], limit: int) -> AsyncIterator[Outcome]:
    """Change up to `limit` of the tasks that match, the oldest first; yield what each call did."""
    while limit > 0:
        outcome = await _change_many(api, action, filters, limit, dry_run=False)
        yield outcome
        limit -= outcome.changed
        if not outcome.more or not outcome.changed:
            return


async def _change_many(api: Api, action: Action, filters: Mapping[str, Any], limit: int, *, dry_run: bool) -> Outcome:
    body = {"filter": filters, "limit": min(limit, MOST_AT_ONCE), "dry_run": dry_run}
    outcome: Outcome = await ask(api, "POST", f"tasks/{action}", answer=Outcome, json=body, headers=_key())
    return outcome

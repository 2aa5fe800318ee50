"""The endpoints of leases: claim, pulse, complete, fail, release, requeue."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.openapi import ResponseSpec
from litestar.params import FromPath

from app.http import conditional
from app.http.auth import actor
from app.http.endpoint import api_router, endpoint
from app.http.holding import hold, share
from app.http.idempotency import REPLAYED, ResponseData, once
from app.http.long_poll import preferred_wait, wait_for_work
from app.http.negotiation import JSON
from app.http.openapi import ETAG, response_header
from app.http.replayed_claims import NoLeaseLeft, leases_still_held, require_held
from app.http.request_headers import document_header
from app.http.responses import JSONResponse
from app.http.routes.list_leases import list_leases
from app.http.services import services
from app.http.wakes import labels_claimed, notify_of_task
from app.leases import store
from app.leases.metrics import CLAIMS
from app.leases.model import (
    Claim,
    ClaimedTask,
    ClaimedTasks,
    ClaimMany,
    Completion,
    Failure,
    Heartbeat,
    LeaseState,
    Pulse,
    Release,
)
from app.postgres.pool import Connection
from app.tasks.model import Task
from app.tasks.store import VersionedTask

PREFER = document_header(
    "Prefer", "`wait=N` waits for up to N seconds for work, 30 at most (RFC 7240). Without it the call answers at once."
)
PREFERENCE_APPLIED = response_header("Preference-Applied")


class _NothingToClaim(Exception):  # noqa: N818 - not an error: it rolls back the transaction that would store the response
    pass


def _json(body: bytes) -> Response[Any]:
    return JSONResponse(body)


def _answer(changed: VersionedTask) -> ResponseData:
    return ResponseData(200, {"ETag": conditional.etag(changed.version)}, changed.task)


async def _end(
    request: Request[Any, Any, Any], work: Callable[[Connection], Awaitable[VersionedTask]]
) -> Response[Any]:
    """Run `work` once and notify calls that wait for work, as the task may be open now."""

    async def answer(connection: Connection) -> ResponseData:
        return _answer(await work(connection))

    response = await once(request, share(request), answer)
    if REPLAYED not in response.headers:
        notify_of_task(request, response.content)
    return response


@endpoint(
    post,
    "/tasks/{task_id:uuid}/claim",
    operation_id="claimTask",
    summary="Claim a task",
    status_code=200,
    scope="work",
    takes=(JSON,),
    problems=(404, 409),
)
async def claim_task(
    request: Request[Any, Any, Any],
    task_id: FromPath[UUID],
    data: Claim,
) -> Response[ClaimedTask]:
    """Hold a task for `ttl_s` seconds, and for as long again with each pulse.

    An expired lease can be claimed at once, or after the wait of the task's `retry`. While another worker holds it, or
    while it waits, 409 says in `Retry-After` for how long at least.

    Send an `Idempotency-Key`, so that you can get a lost answer again, with the same token. Once that lease has ended,
    by your own calls or as another worker has claimed the task, the repeated request answers 409 `lease-lost`.
    """

    async def claim(connection: Connection) -> ResponseData:
        return ResponseData(200, {}, await store.claim(connection, actor(request), task_id, data))

    response = await once(request, share(request), claim, replay=require_held)
    services(request).notifier.notify_change()
    return response


@endpoint(
    post,
    "/tasks/claim",
    operation_id="claimTasks",
    summary="Claim the most urgent tasks",
    status_code=200,
    scope="work",
    takes=(JSON,),
    reads=(PREFER,),
    responses={204: ResponseSpec(None, description="There is nothing to claim.")},
    sends=(PREFERENCE_APPLIED,),
)
async def claim_tasks(
    request: Request[Any, Any, Any],
    data: ClaimMany,
) -> Response[ClaimedTasks]:
    """Hold up to `limit` tasks that nobody holds: by priority, then the earliest due, then the oldest.

    Open tasks and those whose lease has expired; with `labels`, only tasks that have one of them. No two workers ever
    get the same. With `Prefer: wait=20` the call waits up to so many seconds for work; 204 where there is none.

    Send an `Idempotency-Key`, so that you can get a lost answer again, with the same tokens. It then has only those
    leases that have not ended since, by your own calls or as another worker has claimed the task; 204 if all have.
    """

    async def claim(connection: Connection) -> ResponseData:
        items = await store.claim_many(connection, actor(request), data)
        if not items:
            raise _NothingToClaim
        return ResponseData(200, {}, b'{"items":[' + b",".join(items) + b"]}")

    async def attempt() -> Response[Any] | None:
        try:
            return await once(request, share(request), claim, replay=leases_still_held)
        except _NothingToClaim:
            return None

    seconds = preferred_wait(request)
    try:
        if seconds:
            hold(request, services(request).limits.long_polls)
            response = await wait_for_work(attempt, labels_claimed, frozenset(data.labels or ()), seconds, request)
        else:
            response = await attempt()
    except NoLeaseLeft:
        response = None
    if response is not None:
        services(request).notifier.notify_change()
    else:
        CLAIMS.labels("empty").inc()
        response = Response(None, status_code=204)
    if seconds:
        response.headers["Preference-Applied"] = f"wait={seconds}"
    return response


@endpoint(
    post,
    "/tasks/{task_id:uuid}/pulse",
    operation_id="pulseTask",
    summary="Show that the work goes on",
    status_code=200,
    scope="work",
    takes=(JSON,),
    problems=(404, 409),
    ignores_key=True,
)
async def pulse_task(
    request: Request[Any, Any, Any],
    task_id: FromPath[UUID],
    data: Pulse,
) -> Response[Heartbeat]:
    """Prolong the lease by its `ttl_s` from now. Call it every `pulse_every_s` seconds, whatever the work does.

    A late pulse still counts as long as nobody else has claimed; after that, 409 `lease-lost`: stop the work. Where
    `cancel_requested` is true, stop too, and call fail or release. The task's version does not change.

    A pulse may be repeated as it is; an `Idempotency-Key` is ignored.
    """
    return _json(await services(request).pulses(store.PulseCall(task_id, data, actor(request))))


@endpoint(
    post,
    "/tasks/{task_id:uuid}/complete",
    operation_id="completeTask",
    summary="Complete a task",
    status_code=200,
    scope="work",
    takes=(JSON,),
    problems=(404, 409),
    sends=(ETAG,),
)
async def complete_task(
    request: Request[Any, Any, Any],
    task_id: FromPath[UUID],
    data: Completion,
) -> Response[Task]:
    """Make the task done, with this result. The same token again answers 200 again.

    The result stays as it was sent, numbers to the last digit; without white space, it may have 16,384 bytes.
    """
    return await _end(request, lambda connection: store.complete(connection, actor(request), task_id, data))


@endpoint(
    post,
    "/tasks/{task_id:uuid}/fail",
    operation_id="failTask",
    summary="Say that an attempt failed",
    status_code=200,
    scope="work",
    takes=(JSON,),
    problems=(404, 409),
    sends=(ETAG,),
)
async def fail_task(
    request: Request[Any, Any, Any],
    task_id: FromPath[UUID],
    data: Failure,
) -> Response[Task]:
    """End the attempt: the task is `open` again, `failed` after the last of `max_attempts`, `cancelled` if asked for.

    Nobody can claim it for `retry_in_s` seconds, or without it for as long as the task's `retry` says: see
    `claimable_at`. The error is kept in the task's history. The same token again answers 200 with the task as it is by
    then, until somebody claims it.
    """
    return await _end(
        request,
        lambda connection: store.fail(connection, actor(request), task_id, data),
    )


@endpoint(
    post,
    "/tasks/{task_id:uuid}/release",
    operation_id="releaseTask",
    summary="Give a task back",
    status_code=200,
    scope="work",
    takes=(JSON,),
    problems=(404, 409),
    sends=(ETAG,),
)
async def release_task(
    request: Request[Any, Any, Any],
    task_id: FromPath[UUID],
    data: Release,
) -> Response[Task]:
    """Give the task back without spending an attempt: it is `open` again, or `cancelled` if that was asked for.

    The same token again answers 200 with the task as it is by then, until somebody claims it.
    """
    return await _end(request, lambda connection: store.release(connection, actor(request), task_id, data.token))


@endpoint(
    post,
    "/tasks/{task_id:uuid}/requeue",
    operation_id="requeueTask",
    summary="Have a task done again",
    status_code=200,
    scope="work",
    problems=(404, 409),
    sends=(ETAG,),
)
async def requeue_task(request: Request[Any, Any, Any], task_id: FromPath[UUID]) -> Response[Task]:
    """Make a `failed`, `done` or `cancelled` task `open` again, with all its attempts; send no body.

    So it does with one that waits, or that its worker has left; any other `open` one stays as it is. A
    `run_after` is cleared. While another unfinished task has the same `unique_key`, 409.
    """
    return await _end(request, lambda connection: store.requeue(connection, actor(request), task_id))


@endpoint(
    get,
    "/tasks/{task_id:uuid}/lease",
    operation_id="getLease",
    summary="See who holds a task",
    scope="read",
    problems=(404,),
)
async def get_lease(request: Request[Any, Any, Any], task_id: FromPath[UUID]) -> Response[LeaseState]:
    """See who holds a task, or let its lease expire, how far the work is, and when it last pulsed; 404 if nobody."""
    return _json(await store.get(share(request), task_id))


router = api_router(
    [claim_tasks, claim_task, pulse_task, complete_task, fail_task, release_task, requeue_task, get_lease, list_leases],
    "Leases",
)

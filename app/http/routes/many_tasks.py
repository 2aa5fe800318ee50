"""The endpoints that requeue, cancel and delete many tasks at once."""

from typing import Any

import msgspec
from litestar import Request, Response, post

from app.http.auth import actor
from app.http.endpoint import api_router, endpoint
from app.http.holding import heavy_share
from app.http.idempotency import ResponseData, once
from app.http.negotiation import JSON
from app.http.services import services
from app.leases import chosen
from app.leases.chosen import Action, Choice, Outcome
from app.postgres.pool import Connection


async def _change(request: Request[Any, Any, Any], action: Action, choice: Choice) -> Response[Any]:
    changed: list[list[str]] = []

    async def change(connection: Connection) -> ResponseData:
        if choice.dry_run:
            outcome = await chosen.count(connection, action, choice)
        else:
            outcome, labels = await chosen.change(connection, actor(request), action, choice)
            changed.extend(labels)
        return ResponseData(200, {}, msgspec.json.encode(outcome))

    response = await once(request, heavy_share(request), change)
    services(request).notifier.notify_work(changed if action == "requeue" else [])
    return response


@endpoint(
    post,
    "/tasks/requeue",
    operation_id="requeueTasks",
    summary="Have many tasks done again",
    status_code=200,
    scope="work",
    takes=(JSON,),
)
async def requeue_tasks(
    request: Request[Any, Any, Any],
    data: Choice,
) -> Response[Outcome]:
    """Make tasks open again as `requeueTask` does: those with some `ids`, or the oldest that match a `filter`.

    All are changed together. A task that a worker holds is skipped, as is one whose `unique_key` another unfinished
    task has. Call it again while there are `more`. With `dry_run`, nothing changes: the answer counts what would.
    """
    return await _change(request, "requeue", data)


@endpoint(
    post,
    "/tasks/cancel",
    operation_id="cancelTasks",
    summary="Cancel many tasks",
    status_code=200,
    scope="write",
    takes=(JSON,),
)
async def cancel_tasks(
    request: Request[Any, Any, Any],
    data: Choice,
) -> Response[Outcome]:
    """Cancel unfinished tasks: those with some `ids`, or the oldest that match a `filter`.

    All are changed together. Of a task that a worker holds, this is a request: its next pulse tells the worker.
    Finished tasks are skipped. Call it again while there are `more`. With `dry_run`, nothing changes: the answer counts
    what would.
    """
    return await _change(request, "cancel", data)


@endpoint(
    post,
    "/tasks/delete",
    operation_id="deleteTasks",
    summary="Delete many tasks",
    status_code=200,
    scope="write",
    takes=(JSON,),
)
async def delete_tasks(
    request: Request[Any, Any, Any],
    data: Choice,
) -> Response[Outcome]:
    """Delete tasks for good: those with some `ids`, or the oldest that match a `filter`.

    All are deleted together. A task that a worker holds is skipped. Call it again while there are `more`. With
    `dry_run`, nothing changes: the answer counts what would.
    """
    return await _change(request, "delete", data)


router = api_router([requeue_tasks, cancel_tasks, delete_tasks], "Tasks")

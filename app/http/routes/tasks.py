"""The endpoints of single tasks and batches."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, delete, get, patch, post
from litestar.openapi import ResponseSpec
from litestar.params import FromPath

from app.http import conditional
from app.http.auth import actor
from app.http.endpoint import api_router, endpoint
from app.http.holding import heavy_share, share
from app.http.idempotency import ResponseData, once
from app.http.json_body import MEBIBYTE
from app.http.negotiation import JSON, MERGE_PATCH
from app.http.openapi import ACCEPT_PATCH, ETAG, LOCATION, NOT_MODIFIED
from app.http.request_headers import get_header
from app.http.responses import JSONResponse
from app.http.routes.history import get_history
from app.http.routes.list_tasks import list_tasks
from app.http.services import services
from app.http.wakes import notify_of_new, notify_of_task
from app.postgres.pool import Connection
from app.tasks import store
from app.tasks.model import NewTask, NewTasks, Task, TaskPatch, Tasks
from app.tasks.update import TaskChange

ACCEPT_PATCH_HEADER = {"Accept-Patch": f"{MERGE_PATCH}, {JSON}"}
MORE_TO_CLAIM = {"status", "labels", "max_attempts", "run_after", "retry"}
"""A change of these may let a task be claimed."""


def _headers(version: int) -> dict[str, str]:
    return {"ETag": conditional.etag(version)} | ACCEPT_PATCH_HEADER


def _present(request: Request[Any, Any, Any], task_id: UUID) -> Callable[[], Awaitable[int]]:
    """Return what reads the present version of a task."""

    async def version() -> int:
        return (await services(request).tasks.get(task_id)).version

    return version


def _task(row: store.VersionedTask) -> Response[Any]:
    return JSONResponse(row.task, headers=_headers(row.version))


@endpoint(
    post,
    "/tasks",
    operation_id="createTask",
    summary="Create a task",
    scope="write",
    takes=(JSON,),
    sends=(LOCATION, ETAG, ACCEPT_PATCH),
    responses={200: ResponseSpec(None, description="The unfinished task that has the `unique_key`: none was created.")},
)
async def create_task(
    request: Request[Any, Any, Any],
    data: NewTask,
) -> Response[Task]:
    """Create a task. Only `title` is required; the answer shows what the other fields became.

    With a `unique_key` that an unfinished task has, that task is the answer, with 200: nothing changes.
    """

    def answer(creation: store.Creation) -> ResponseData:
        task = creation.task
        headers = {"Location": f"/v1/tasks/{task.id}"} | _headers(task.version)
        return ResponseData(200 if creation.existing else 201, headers, task.task)

    async def create(connection: Connection) -> ResponseData:
        [created] = await store.create(connection, actor(request), [data])
        return answer(created)

    if get_header(request, b"idempotency-key") is None:
        response = answer(await services(request).tasks.create(actor(request), data)).response()
    else:
        response = await once(request, share(request), create)
    notify_of_new(request, [data])
    return response


@endpoint(
    post,
    "/tasks/batch",
    operation_id="createTasks",
    summary="Create many tasks at once",
    scope="write",
    takes=(JSON,),
    request_max_body_size=8 * MEBIBYTE,
    responses={200: ResponseSpec(None, description="Unfinished tasks have all the unique keys: none was created.")},
)
async def create_tasks(
    request: Request[Any, Any, Any],
    data: NewTasks,
) -> Response[Tasks]:
    """Create up to 1,000 tasks, all or none. They come back in the order given; an error names `#/tasks/17/title`.

    Where one has a `unique_key`, `existing` lists the places of those that were there, also earlier in the batch.
    """

    async def create(connection: Connection) -> ResponseData:
        came = await store.create(connection, actor(request), data.tasks)
        body = b'{"items":[' + b",".join(creation.task.task for creation in came) + b"]"
        existing = [place for place, creation in enumerate(came) if creation.existing]
        if any(task.unique_key is not None for task in data.tasks):
            body += b',"existing":' + msgspec.json.encode(existing)
        return ResponseData(201 if len(existing) < len(came) else 200, {}, body + b"}")

    response = await once(request, heavy_share(request), create)
    notify_of_new(request, data.tasks)
    return response


@endpoint(
    get,
    "/tasks/{task_id:uuid}",
    operation_id="getTask",
    summary="Read a task",
    scope="read",
    reads=(conditional.IF_NONE_MATCH,),
    problems=(404,),
    responses=NOT_MODIFIED,
    sends=(ETAG, ACCEPT_PATCH),
)
async def get_task(request: Request[Any, Any, Any], task_id: FromPath[UUID]) -> Response[Task]:
    """Read a task. With `If-None-Match`, a version that you already have answers 304 without a body."""
    found = await services(request).tasks.get(task_id)
    return conditional.not_modified(request, found.version) or _task(found)


@endpoint(
    patch,
    "/tasks/{task_id:uuid}",
    operation_id="updateTask",
    summary="Change a task",
    scope="write",
    takes=(MERGE_PATCH, JSON),
    reads=(conditional.IF_MATCH, conditional.IF_NONE_MATCH),
    problems=(404, 409, 412),
    sends=(ETAG, ACCEPT_PATCH),
)
async def update_task(
    request: Request[Any, Any, Any],
    task_id: FromPath[UUID],
    data: TaskPatch,
) -> Response[Task]:
    """Change a task by a merge patch (RFC 7396): null puts a field back to its default, an absent one stays.

    With `If-Match`, only if nobody changed the task since: else 412. `If-None-Match` is 412 for the versions it names.
    Where nothing differs, the version stays.
    While a worker holds the task, its status can only become `cancelled`: the answer then has `cancel_requested`, and
    the worker's next pulse tells it; any other `status` is 409. So is another `run_after` where the task is not
    open, and a change after which two unfinished tasks would have one `unique_key`.
    """
    changes = data.changes()

    async def attempt(versions: list[int] | None) -> store.VersionedTask:
        return await services(request).updates(TaskChange(task_id, actor(request), changes, versions))

    updated = await conditional.change(request, _present(request, task_id), attempt)
    if "labels" in changes:
        services(request).notifier.notify_room()  # of the queues that a held task has left
    if changes.keys() & MORE_TO_CLAIM:
        notify_of_task(request, updated.task)
    else:
        services(request).notifier.notify_change()
    return _task(updated)


@endpoint(
    delete,
    "/tasks/{task_id:uuid}",
    operation_id="deleteTask",
    summary="Delete a task",
    scope="write",
    reads=(conditional.IF_MATCH, conditional.IF_NONE_MATCH),
    problems=(404, 409, 412),
)
async def delete_task(request: Request[Any, Any, Any], task_id: FromPath[UUID]) -> None:
    """Delete a task for good. Deleting it again answers 404; while a worker holds it, 409."""

    async def attempt(versions: list[int] | None) -> None:
        await store.delete(share(request), actor(request), task_id, versions)

    await conditional.change(request, _present(request, task_id), attempt)
    services(request).notifier.notify_change()


router = api_router(
    [create_task, create_tasks, list_tasks, get_task, get_history, update_task, delete_task],
    "Tasks",
)

"""The task calls: HTTP in and out; what they do is in `store`."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, Router, delete, get, patch, post
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import Body, FromPath

from app.http import conditional
from app.http.auth import actor
from app.http.endpoint import admit
from app.http.headers import field
from app.http.idempotency import IDEMPOTENCY_KEY, Answer, once
from app.http.json_body import MEBIBYTE, StrictJSON
from app.http.negotiation import JSON, MERGE_PATCH
from app.http.openapi import ACCEPT_PATCH, ETAG, LOCATION, REPLAYED, answers
from app.http.responses import JSONAnswer
from app.http.routes.history import get_history
from app.http.routes.list import list_tasks
from app.postgres.notifications import CHANGES
from app.postgres.pool import Connection, Database
from app.tasks import store
from app.tasks.model import NewTask, NewTasks, Task, TaskPatch, Tasks
from app.tasks.update import TaskChange

ACCEPT_PATCH_HEADER = {"Accept-Patch": f"{MERGE_PATCH}, {JSON}"}


def _database(request: Request[Any, Any, Any]) -> Database:
    database: Database = request.app.state.database
    return database


def _headers(version: int) -> dict[str, str]:
    return {"ETag": conditional.etag(version)} | ACCEPT_PATCH_HEADER


def _task(row: store.VersionedTask) -> Response[Any]:
    return JSONAnswer(row.task, headers=_headers(row.version))


@post(
    "/tasks",
    operation_id="createTask",
    summary="Create a task",
    dto=StrictJSON,
    return_dto=None,
    opt={"scope": "write", "takes": (JSON,), "fields": (IDEMPOTENCY_KEY,)},
    responses=answers(400, 409, 413, 415, 422),
    response_headers=[LOCATION, ETAG, ACCEPT_PATCH, REPLAYED],
)
async def create_task(
    request: Request[Any, Any, Any],
    data: Annotated[
        NewTask,
        Body(examples=[Example(value={"title": "Rotate the signing key", "priority": "high", "labels": ["ops"]})]),
    ],
) -> Response[Task]:
    """Create a task. Only `title` is required; the answer shows what the other fields became."""

    def answer(created: store.CreatedTask) -> Answer:
        return Answer(201, {"Location": f"/v1/tasks/{created.id}"} | _headers(created.version), created.task)

    async def create(connection: Connection) -> Answer:
        [created] = await store.create(connection, actor(request), [data])
        return answer(created)

    if field(request, b"idempotency-key") is None:
        response = answer(await request.app.state.task_calls.create(actor(request), data)).response()
    else:
        response = await once(request, create)
    request.app.state.notifier.notify()
    return response


@post(
    "/tasks/batch",
    operation_id="createTasks",
    summary="Create many tasks at once",
    dto=StrictJSON,
    return_dto=None,
    opt={"scope": "write", "takes": (JSON,), "fields": (IDEMPOTENCY_KEY,)},
    request_max_body_size=8 * MEBIBYTE,
    responses=answers(400, 409, 413, 415, 422),
    response_headers=[REPLAYED],
)
async def create_tasks(
    request: Request[Any, Any, Any],
    data: Annotated[
        NewTasks,
        Body(examples=[Example(value={"tasks": [{"title": "Count stock"}, {"title": "Order paper"}]})]),
    ],
) -> Response[Tasks]:
    """Create up to 1,000 tasks, all or none. They come back in the order given; an error names `#/tasks/17/title`."""

    async def create(connection: Connection) -> Answer:
        created = await store.create(connection, actor(request), data.tasks)
        return Answer(201, {}, b'{"items":[' + b",".join(row.task for row in created) + b"]}")

    response = await once(request, create)
    request.app.state.notifier.notify()
    return response


@get(
    "/tasks/{task_id:uuid}",
    operation_id="getTask",
    summary="Read a task",
    opt={"scope": "read", "fields": (conditional.IF_NONE_MATCH,)},
    responses=answers(404) | {304: ResponseSpec(None, description="The version that you have is the present one.")},
    response_headers=[ETAG, ACCEPT_PATCH],
)
async def get_task(request: Request[Any, Any, Any], task_id: FromPath[UUID]) -> Response[Task]:
    """Read a task. With `If-None-Match`, a version that you already have answers 304 without a body."""
    found = await request.app.state.task_calls.get(task_id)
    if conditional.if_none_match(request, found.version):
        headers = {"ETag": conditional.etag(found.version)}
        return Response(None, status_code=304, headers=headers)  # type: ignore[arg-type]
    return _task(found)


@patch(
    "/tasks/{task_id:uuid}",
    operation_id="updateTask",
    summary="Change a task",
    dto=StrictJSON,
    return_dto=None,
    opt={"scope": "write", "takes": (MERGE_PATCH, JSON), "fields": (conditional.IF_MATCH,)},
    responses=answers(400, 404, 409, 412, 413, 415),
    response_headers=[ETAG, ACCEPT_PATCH],
)
async def update_task(
    request: Request[Any, Any, Any],
    task_id: FromPath[UUID],
    data: TaskPatch,
) -> Response[Task]:
    """Change a task by a merge patch (RFC 7396): null puts a field back to its default, an absent one stays.

    With `If-Match`, only if nobody changed the task since: else 412. Where nothing differs, the version stays.
    While a worker holds the task, its status can only become `cancelled`: the answer then has `cancel_requested`, and
    the worker's next pulse tells it; any other `status` is 409.
    """
    versions = conditional.if_match(request)
    changes = data.changes()
    updated = await request.app.state.updates(TaskChange(task_id, actor(request), changes, versions))
    if changes.get("status") == "open" or changes.keys() & {"labels", "max_attempts"}:  # there may be more to claim
        request.app.state.notifier.notify()
    else:
        request.app.state.notifier.notify(CHANGES)
    return _task(updated)


@delete(
    "/tasks/{task_id:uuid}",
    operation_id="deleteTask",
    summary="Delete a task",
    opt={"scope": "write", "fields": (conditional.IF_MATCH,)},
    responses=answers(400, 404, 409, 412),
)
async def delete_task(request: Request[Any, Any, Any], task_id: FromPath[UUID]) -> None:
    """Delete a task for good. Deleting it again answers 404; while a worker holds it, 409."""
    versions = conditional.if_match(request)
    await store.delete(_database(request), actor(request), task_id, versions)
    request.app.state.notifier.notify(CHANGES)


router = Router(
    "/v1",
    route_handlers=[create_task, create_tasks, list_tasks, get_task, get_history, update_task, delete_task],
    before_request=admit,
    tags=["Tasks"],
    security=[{"key": []}],
    request_max_body_size=MEBIBYTE,
)

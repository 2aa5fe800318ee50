"""The task calls: HTTP in and out; what they do is in `store`."""

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from litestar import Request, Response, Router, delete, get, patch, post
from litestar.openapi.spec import Example
from litestar.params import Body, FromPath, QueryParameter

from app import conditional
from app.access import authorize
from app.database import Database
from app.json_body import StrictJSON
from app.negotiation import JSON, MERGE_PATCH, negotiate
from app.openapi import ACCEPT_PATCH, ETAG, LINK, LOCATION, answers
from app.tasks import store
from app.tasks.model import NewTask, NewTasks, Status, Task, TaskPage, TaskPatch, Tasks

MEBIBYTE = 1024 * 1024
ACCEPT_PATCH_HEADER = {"Accept-Patch": f"{MERGE_PATCH}, {JSON}"}


def _database(request: Request[Any, Any, Any]) -> Database:
    database: Database = request.app.state.database
    return database


def _actor(request: Request[Any, Any, Any]) -> str:
    actor: str = request.scope["state"]["key_id"]
    return actor


def _task(task: bytes, version: int, status_code: int = 200, **headers: str) -> Response[Any]:
    headers |= {"ETag": conditional.etag(version)} | ACCEPT_PATCH_HEADER
    return Response(task, status_code=status_code, headers=headers, media_type=JSON)


@post(
    "/tasks",
    operation_id="createTask",
    summary="Create a task",
    dto=StrictJSON,
    return_dto=None,
    opt={"scope": "write", "takes": (JSON,)},
    responses=answers(400, 413, 415),
    response_headers=[LOCATION, ETAG, ACCEPT_PATCH],
)
async def create_task(
    request: Request[Any, Any, Any],
    data: Annotated[
        NewTask,
        Body(examples=[Example(value={"title": "Rotate the signing key", "priority": "high", "labels": ["ops"]})]),
    ],
) -> Response[Task]:
    """Create a task. Only `title` is required; the answer shows what the other fields became."""
    [(task_id, version, task)] = await store.create(_database(request), _actor(request), [data])
    return _task(task, version, 201, Location=f"/v1/tasks/{task_id}")


@post(
    "/tasks/batch",
    operation_id="createTasks",
    summary="Create many tasks at once",
    dto=StrictJSON,
    return_dto=None,
    opt={"scope": "write", "takes": (JSON,)},
    request_max_body_size=8 * MEBIBYTE,
    responses=answers(400, 413, 415),
)
async def create_tasks(
    request: Request[Any, Any, Any],
    data: Annotated[
        NewTasks,
        Body(examples=[Example(value={"tasks": [{"title": "Count stock"}, {"title": "Order paper"}]})]),
    ],
) -> Response[Tasks]:
    """Create up to 1,000 tasks, all or none. They come back in the order given; an error names `#/tasks/17/title`."""
    created = await store.create(_database(request), _actor(request), data.tasks)
    body = b'{"items":[' + b",".join(task for _, _, task in created) + b"]}"
    return Response(body, status_code=201, media_type=JSON)  # type: ignore[arg-type]


@get(
    "/tasks",
    operation_id="listTasks",
    summary="List tasks",
    opt={"scope": "read"},
    responses=answers(400),
    response_headers=[LINK],
)
async def list_tasks(
    request: Request[Any, Any, Any],
    status: Annotated[
        list[Status] | None,
        QueryParameter(description="Only tasks with this status; repeat it for any of several."),
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=200, description="Tasks a page.")] = 50,
    cursor: Annotated[
        str | None, QueryParameter(description="`next_cursor` of the page before, with the same filters.")
    ] = None,
) -> Response[TaskPage]:
    """List tasks, newest first, a page at a time: follow `next_cursor`, or the `Link` header with `rel="next"`."""
    tasks, next_cursor = await store.page(_database(request), status=status, limit=limit, after=cursor)
    headers = {}
    token = b"null"
    if next_cursor is not None:
        token = f'"{next_cursor}"'.encode()
        others = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        headers["Link"] = f'</v1/tasks?{urlencode([*others, ("cursor", next_cursor)])}>; rel="next"'
    body = b'{"items":[' + b",".join(tasks) + b'],"next_cursor":' + token + b"}"
    return Response(body, headers=headers, media_type=JSON)  # type: ignore[arg-type]


@get(
    "/tasks/{task_id:uuid}",
    operation_id="getTask",
    summary="Read a task",
    opt={"scope": "read"},
    responses=answers(304, 404),
    response_headers=[ETAG, ACCEPT_PATCH],
)
async def get_task(request: Request[Any, Any, Any], task_id: FromPath[UUID]) -> Response[Task]:
    """Read a task. With `If-None-Match`, a version that you already have answers 304 without a body."""
    version, task = await store.get(_database(request), task_id)
    if conditional.if_none_match(request.headers.get("if-none-match"), version):
        return Response(None, status_code=304, headers={"ETag": conditional.etag(version)})  # type: ignore[arg-type]
    return _task(task, version)


@patch(
    "/tasks/{task_id:uuid}",
    operation_id="updateTask",
    summary="Change a task",
    dto=StrictJSON,
    return_dto=None,
    opt={"scope": "write", "takes": (MERGE_PATCH, JSON)},
    responses=answers(400, 404, 412, 413, 415),
    response_headers=[ETAG, ACCEPT_PATCH],
)
async def update_task(
    request: Request[Any, Any, Any],
    task_id: FromPath[UUID],
    data: Annotated[TaskPatch, Body(examples=[Example(value={"status": "done", "assignee": None})])],
) -> Response[Task]:
    """Change a task by a merge patch (RFC 7396): null puts a field back to its default, an absent one stays.

    With `If-Match`, only if nobody changed the task since: else 412. Where nothing differs, the version stays.
    """
    versions = conditional.if_match(request.headers.get("if-match"))
    version, task = await store.update(_database(request), _actor(request), task_id, data.changes(), versions)
    return _task(task, version)


@delete(
    "/tasks/{task_id:uuid}",
    operation_id="deleteTask",
    summary="Delete a task",
    opt={"scope": "write"},
    responses=answers(404, 412),
)
async def delete_task(request: Request[Any, Any, Any], task_id: FromPath[UUID]) -> None:
    """Delete a task for good. Deleting it again answers 404."""
    versions = conditional.if_match(request.headers.get("if-match"))
    await store.delete(_database(request), _actor(request), task_id, versions)


router = Router(
    "/v1",
    route_handlers=[create_task, create_tasks, list_tasks, get_task, update_task, delete_task],
    guards=[authorize, negotiate],
    tags=["Tasks"],
    security=[{"key": []}],
    request_max_body_size=MEBIBYTE,
)

"""The calls that the benchmark makes, by Litestar, advanced-alchemy and asyncpg."""

import base64
import os
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import schemas
from advanced_alchemy.config import EngineConfig
from advanced_alchemy.extensions.litestar import (
    AsyncSessionConfig,
    SQLAlchemyAsyncConfig,
    SQLAlchemyPlugin,
    filters,
    providers,
    repository,
    service,
)
from keyring import authenticate
from litestar import Litestar, Response, Router, get, patch, post
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.exceptions import ClientException, NotAuthorizedException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from tables import LABELS, History, Lease, Task

NEWEST_FIRST = [filters.OrderBy("created_at", "desc"), filters.OrderBy("id", "desc")]


class TaskService(service.SQLAlchemyAsyncRepositoryService[Task]):
    """Tasks."""

    class Repository(repository.SQLAlchemyAsyncRepository[Task]):
        """Tasks in the database."""

        model_type = Task

    repository_type = Repository


Tasks = NamedDependency[TaskService]
Session = NamedDependency[AsyncSession]
alchemy = SQLAlchemyAsyncConfig(
    connection_string=os.environ["DATABASE"],
    engine_config=EngineConfig(pool_size=10, max_overflow=0),
    session_config=AsyncSessionConfig(expire_on_commit=False),
    before_send_handler="autocommit",
)


async def authorize(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Admit keys that have the scope in `opt`."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    session = alchemy.provide_session(connection.app.state, connection.scope)
    key = await authenticate(session, token) if scheme.lower() == "bearer" else None
    if key is None:
        raise NotAuthorizedException("The key is unknown or revoked.")
    if handler.opt["scope"] not in key[1]:
        raise PermissionDeniedException(f"This call needs the scope {handler.opt['scope']}.")
    connection.scope["state"]["actor"] = key[0]


def change(task: Task, action: str, actor: str, before: Any, after: Any) -> History:
    """Return a row for the history."""
    return History(task_id=task.id, version=task.version, action=action, actor=actor, before=before, after=after)


async def provide_actor(request: Any) -> str:
    """Return the id of the key."""
    return str(request.scope["state"]["actor"])


@get("/health/live")
async def live() -> dict[str, str]:
    """Answer without a database."""
    return {"status": "ok"}


@get("/tasks/{task_id:uuid}", opt={"scope": "read"})
async def read(task_id: FromPath[UUID], tasks: Tasks) -> Response[schemas.Task]:
    """Read a task."""
    task = await tasks.get(task_id)
    return Response(tasks.to_schema(task, schema_type=schemas.Task), headers={"ETag": f'"{task.version}"'})


@get("/tasks", opt={"scope": "read"})
async def read_page(
    tasks: Tasks,
    status: FromQuery[schemas.Status | None] = None,
    assignee: FromQuery[str | None] = None,
    label: FromQuery[str | None] = None,
    q: FromQuery[str | None] = None,
    limit: FromQuery[int] = 50,
) -> schemas.TaskPage:
    """List tasks, newest first."""
    where = []
    if status is not None:
        where.append(Task.status == status)
    if assignee is not None:
        where.append(Task.assignee == assignee)
    if label is not None:
        where.append(LABELS.contains([label]))
    if q is not None:
        where.append(Task.search.op("@@")(func.websearch_to_tsquery("english", q)))
    found = await tasks.list(*where, filters.LimitOffset(limit + 1, 0), *NEWEST_FIRST)
    cursor = None
    if len(found) > limit:
        last = found[limit - 1]
        cursor = base64.urlsafe_b64encode(f"{last.created_at.isoformat()} {last.id}".encode()).decode()
    items = [tasks.to_schema(task, schema_type=schemas.Task) for task in found[:limit]]
    return schemas.TaskPage(items, cursor)


@post("/tasks", opt={"scope": "write"})
async def create(data: JSONBody[schemas.NewTask], tasks: Tasks, actor: NamedDependency[str]) -> Response[schemas.Task]:
    """Create a task."""
    task = await tasks.create(data)
    given = tasks.to_schema(task, schema_type=schemas.Task)
    tasks.repository.session.add(change(task, "created", actor, None, msgspec.to_builtins(given)))
    return Response(given, headers={"Location": f"/v1/tasks/{task.id}"})


@patch("/tasks/{task_id:uuid}", opt={"scope": "write"})
async def update(
    task_id: FromPath[UUID], data: JSONBody[schemas.TaskPatch], tasks: Tasks, actor: NamedDependency[str]
) -> Response[schemas.Task]:
    """Change a task."""
    task = await tasks.repository.get(task_id, with_for_update=True)
    sent = msgspec.to_builtins(data)
    after = {name: value for name, value in sent.items() if getattr(task, name) != value}
    before = {name: getattr(task, name) for name in after}
    if after:
        for name, value in after.items():
            setattr(task, name, value)
        task.version, task.updated_at = task.version + 1, datetime.now(UTC)
        tasks.repository.session.add(change(task, "updated", actor, before, after))
    return Response(tasks.to_schema(task, schema_type=schemas.Task), headers={"ETag": f'"{task.version}"'})


@post("/tasks/claim", opt={"scope": "work"}, status_code=200)
async def claim(
    data: JSONBody[schemas.Claim], tasks: Tasks, db_session: Session, actor: NamedDependency[str]
) -> schemas.ClaimedTasks:
    """Claim the most urgent task."""
    now = datetime.now(UTC)
    task = await db_session.scalar(
        select(Task)
        .where(Task.status == "open", or_(Task.claimable_at.is_(None), Task.claimable_at <= now))
        .order_by(Task.priority.desc(), Task.due_at, Task.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if task is None:
        return schemas.ClaimedTasks([])
    before = {"status": task.status, "fence": task.fence}
    task.status, task.fence, task.version, task.updated_at = "in_progress", task.fence + 1, task.version + 1, now
    lease = Lease(
        task_id=task.id,
        fence=task.fence,
        attempt=task.attempts + 1,
        ttl_s=data.ttl_s,
        worker=data.worker,
        expires_at=now + timedelta(seconds=data.ttl_s),
    )
    after = {"status": task.status, "fence": task.fence, "worker": data.worker, "attempt": lease.attempt}
    db_session.add_all([lease, change(task, "claimed", actor, before, after)])
    await db_session.flush()
    given = schemas.Lease(lease.token, lease.fence, lease.attempt, lease.expires_at, max(1, lease.ttl_s // 3))
    return schemas.ClaimedTasks([schemas.ClaimedTask(tasks.to_schema(task, schema_type=schemas.Task), given)])


async def held(session: AsyncSession, task_id: UUID, token: UUID) -> Lease:
    """Return the lease that has this token."""
    lease = await session.get(Lease, task_id, with_for_update=True)
    if lease is None or lease.token != token:
        raise ClientException("The token is not that of the task's present lease.", status_code=409)
    return lease


@post("/tasks/{task_id:uuid}/complete", opt={"scope": "work"}, status_code=200)
async def complete(
    task_id: FromPath[UUID],
    data: JSONBody[schemas.Completion],
    tasks: Tasks,
    db_session: Session,
    actor: NamedDependency[str],
) -> schemas.Task:
    """Make a task done."""
    lease = await held(db_session, task_id, data.token)
    task, now = lease.task, datetime.now(UTC)
    before = {"status": task.status, "finished_at": None}
    task.status, task.finished_at, task.completed_by, task.updated_at = "done", now, data.token, now
    task.version, task.result = task.version + 1, data.result
    after = {"status": "done", "finished_at": now.isoformat(), "worker": lease.worker, "result": data.result}
    await db_session.delete(lease)
    db_session.add(change(task, "completed", actor, before, after))
    return tasks.to_schema(task, schema_type=schemas.Task)


@post("/tasks/{task_id:uuid}/pulse", opt={"scope": "work"}, status_code=200)
async def pulse(task_id: FromPath[UUID], data: JSONBody[schemas.Pulse], db_session: Session) -> schemas.Heartbeat:
    """Prolong a lease."""
    lease = await held(db_session, task_id, data.token)
    lease.pulsed_at = datetime.now(UTC)
    lease.expires_at = lease.pulsed_at + timedelta(seconds=lease.ttl_s)
    if data.progress is not None:
        lease.progress = data.progress
    if data.note is not None:
        lease.note = data.note
    return schemas.Heartbeat(lease.expires_at, max(1, lease.ttl_s // 3), lease.task.cancel_requested)


v1 = Router(
    "/v1",
    route_handlers=[read, read_page, create, update, claim, complete, pulse],
    guards=[authorize],
    dependencies={
        **providers.create_service_dependencies(TaskService, "tasks", config=alchemy),
        "actor": provide_actor,
    },
)
app = Litestar([live, v1], plugins=[SQLAlchemyPlugin(alchemy)])

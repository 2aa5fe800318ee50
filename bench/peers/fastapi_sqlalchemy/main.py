"""The calls that the benchmark makes, by FastAPI, SQLAlchemy's ORM and asyncpg."""

import base64
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import schemas
from fastapi import Depends, FastAPI, HTTPException, Query, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from keyring import authenticate
from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from tables import LABELS, History, Lease, Task

engine = create_async_engine(os.environ["DATABASE"], pool_size=10, max_overflow=0)
sessions = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()
bearer = HTTPBearer()


async def open_session() -> AsyncIterator[AsyncSession]:
    """Lend a session for one request."""
    async with sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(open_session)]


class Access:
    """Admits keys that have a scope."""

    def __init__(self, scope: str) -> None:
        self.scope = scope

    async def __call__(
        self, session: Session, credentials: Annotated[HTTPAuthorizationCredentials, Security(bearer)]
    ) -> str:
        """Return the id of the key."""
        key = await authenticate(session, credentials.credentials)
        if key is None:
            raise HTTPException(401, "The key is unknown or revoked.", {"WWW-Authenticate": "Bearer"})
        if self.scope not in key[1]:
            raise HTTPException(403, f"This call needs the scope {self.scope}.")
        return key[0]


Reader = Depends(Access("read"))
Writer = Annotated[str, Depends(Access("write"))]
Worker = Annotated[str, Depends(Access("work"))]


@app.get("/health/live")
async def live() -> dict[str, str]:
    """Answer without a database."""
    return {"status": "ok"}


@app.get("/v1/tasks/{task_id}", response_model=schemas.Task, dependencies=[Reader])
async def read(task_id: UUID, session: Session, response: Response) -> Any:
    """Read a task."""
    task = await session.get(Task, task_id)
    if task is None:
        raise HTTPException(404)
    response.headers["ETag"] = f'"{task.version}"'
    return task


@app.get("/v1/tasks", response_model=schemas.TaskPage, dependencies=[Reader])
async def read_page(
    session: Session,
    status: schemas.Status | None = None,
    assignee: str | None = None,
    label: str | None = None,
    q: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Any:
    """List tasks, newest first."""
    query = select(Task).order_by(Task.created_at.desc(), Task.id.desc()).limit(limit + 1)
    if status is not None:
        query = query.where(Task.status == status)
    if assignee is not None:
        query = query.where(Task.assignee == assignee)
    if label is not None:
        query = query.where(LABELS.contains([label]))
    if q is not None:
        query = query.where(Task.search.op("@@")(func.websearch_to_tsquery("english", q)))
    tasks = list(await session.scalars(query))
    cursor = None
    if len(tasks) > limit:
        tasks = tasks[:limit]
        last = tasks[-1]
        cursor = base64.urlsafe_b64encode(f"{last.created_at.isoformat()} {last.id}".encode()).decode()
    return {"items": tasks, "next_cursor": cursor}


@app.post("/v1/tasks", response_model=schemas.Task, status_code=201)
async def create(data: schemas.NewTask, session: Session, actor: Writer, response: Response) -> Any:
    """Create a task."""
    task = Task(**data.model_dump())
    session.add(task)
    await session.flush()
    after = schemas.Task.model_validate(task).model_dump(mode="json")
    session.add(History(task_id=task.id, version=task.version, action="created", actor=actor, after=after))
    await session.commit()
    response.headers["Location"] = f"/v1/tasks/{task.id}"
    return task


@app.patch("/v1/tasks/{task_id}", response_model=schemas.Task)
async def update(task_id: UUID, data: schemas.TaskPatch, session: Session, actor: Writer, response: Response) -> Any:
    """Change a task."""
    task = await session.get(Task, task_id, with_for_update=True)
    if task is None:
        raise HTTPException(404)
    sent = data.model_dump(exclude_unset=True)
    after = {name: value for name, value in sent.items() if getattr(task, name) != value}
    before = {name: getattr(task, name) for name in after}
    if after:
        for name, value in after.items():
            setattr(task, name, value)
        task.version += 1
        task.updated_at = datetime.now(UTC)
        session.add(
            History(task_id=task.id, version=task.version, action="updated", actor=actor, before=before, after=after)
        )
        await session.commit()
    response.headers["ETag"] = f'"{task.version}"'
    return task


@app.post("/v1/tasks/claim", response_model=schemas.ClaimedTasks)
async def claim(data: schemas.Claim, session: Session, actor: Worker) -> Any:
    """Claim the most urgent task."""
    now = datetime.now(UTC)
    task = await session.scalar(
        select(Task)
        .where(Task.status == "open", or_(Task.claimable_at.is_(None), Task.claimable_at <= now))
        .order_by(Task.priority.desc(), Task.due_at, Task.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if task is None:
        return Response(status_code=204)
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
    change = History(task_id=task.id, version=task.version, action="claimed", actor=actor, before=before, after=after)
    session.add_all([lease, change])
    await session.commit()
    given = {
        "token": lease.token,
        "fence": lease.fence,
        "attempt": lease.attempt,
        "expires_at": lease.expires_at,
        "pulse_every_s": max(1, lease.ttl_s // 3),
    }
    return {"items": [{"task": task, "lease": given}]}


@app.post("/v1/tasks/{task_id}/complete", response_model=schemas.Task)
async def complete(task_id: UUID, data: schemas.Completion, session: Session, actor: Worker) -> Any:
    """Make a task done."""
    lease = await session.get(Lease, task_id, with_for_update=True)
    if lease is None or lease.token != data.token:
        raise HTTPException(409, "The token is not that of the task's present lease.")
    task, now = lease.task, datetime.now(UTC)
    before = {"status": task.status, "finished_at": None}
    task.status, task.finished_at, task.completed_by, task.updated_at = "done", now, data.token, now
    task.version, task.result = task.version + 1, data.result
    after = {"status": "done", "finished_at": now.isoformat(), "worker": lease.worker, "result": data.result}
    await session.delete(lease)
    session.add(
        History(task_id=task.id, version=task.version, action="completed", actor=actor, before=before, after=after)
    )
    await session.commit()
    return task


@app.post("/v1/tasks/{task_id}/pulse", response_model=schemas.Heartbeat, dependencies=[Depends(Access("work"))])
async def pulse(task_id: UUID, data: schemas.Pulse, session: Session) -> Any:
    """Prolong a lease."""
    lease = await session.get(Lease, task_id, with_for_update=True)
    if lease is None or lease.token != data.token:
        raise HTTPException(409, "The token is not that of the task's present lease.")
    lease.pulsed_at = datetime.now(UTC)
    lease.expires_at = lease.pulsed_at + timedelta(seconds=lease.ttl_s)
    for name, value in data.model_dump(include={"progress", "note"}, exclude_none=True).items():
        setattr(lease, name, value)
    await session.commit()
    return {
        "expires_at": lease.expires_at,
        "pulse_every_s": max(1, lease.ttl_s // 3),
        "cancel_requested": lease.task.cancel_requested,
    }

"""What clients send and get, for Pydantic."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["open", "in_progress", "done", "cancelled", "failed"]
Priority = Literal["low", "normal", "high", "urgent"]
Title = Annotated[str, Field(min_length=1, max_length=200)]
Labels = Annotated[list[Annotated[str, Field(min_length=1, max_length=50)]], Field(max_length=20)]


class Sent(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewTask(Sent):
    title: Title
    description: Annotated[str | None, Field(max_length=10_000)] = None
    status: Status = "open"
    priority: Priority = "normal"
    assignee: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    labels: Labels = []
    due_at: datetime | None = None
    payload: dict[str, Any] = {}
    max_attempts: Annotated[int, Field(ge=1, le=1000)] = 3


class TaskPatch(Sent):
    title: Title = ""
    priority: Priority = "normal"
    assignee: str | None = None
    labels: Labels = []


class Claim(Sent):
    worker: Annotated[str, Field(min_length=1, max_length=200)]
    ttl_s: Annotated[int, Field(ge=1, le=86_400)]


class Completion(Sent):
    token: UUID
    result: Any = None


class Pulse(Sent):
    token: UUID
    progress: Annotated[float | None, Field(ge=0, le=100)] = None
    note: Annotated[str | None, Field(max_length=1000)] = None


class Given(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class Task(Given):
    id: UUID
    title: str
    description: str | None
    status: Status
    priority: Priority
    assignee: str | None
    labels: list[str]
    due_at: datetime | None
    run_after: datetime | None
    claimable_at: datetime | None
    payload: dict[str, Any]
    max_attempts: int
    retry: dict[str, Any] | None
    unique_key: str | None
    attempts: int
    fence: int
    cancel_requested: bool
    result: Any
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    version: int


class TaskPage(BaseModel):
    items: list[Task]
    next_cursor: str | None


class Lease(Given):
    token: UUID
    fence: int
    attempt: int
    expires_at: datetime
    pulse_every_s: int


class ClaimedTask(BaseModel):
    task: Task
    lease: Lease


class ClaimedTasks(BaseModel):
    items: list[ClaimedTask]


class Heartbeat(BaseModel):
    expires_at: datetime
    pulse_every_s: int
    cancel_requested: bool

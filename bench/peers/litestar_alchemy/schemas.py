"""What clients send and get, for msgspec."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

Status = Literal["open", "in_progress", "done", "cancelled", "failed"]
Priority = Literal["low", "normal", "high", "urgent"]
Title = Annotated[str, Meta(min_length=1, max_length=200)]
Labels = Annotated[list[Annotated[str, Meta(min_length=1, max_length=50)]], Meta(max_length=20)]


class NewTask(Struct, forbid_unknown_fields=True):
    title: Title
    description: Annotated[str, Meta(max_length=10_000)] | None = None
    status: Status = "open"
    priority: Priority = "normal"
    assignee: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    labels: Labels = []
    due_at: datetime | None = None
    payload: dict[str, Any] = {}
    max_attempts: Annotated[int, Meta(ge=1, le=1000)] = 3


class TaskPatch(Struct, forbid_unknown_fields=True, omit_defaults=True):
    title: Title | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    assignee: str | UnsetType | None = UNSET
    labels: Labels | UnsetType = UNSET


class Claim(Struct, forbid_unknown_fields=True):
    worker: Annotated[str, Meta(min_length=1, max_length=200)]
    ttl_s: Annotated[int, Meta(ge=1, le=86_400)]


class Completion(Struct, forbid_unknown_fields=True):
    token: UUID
    result: Any = None


class Pulse(Struct, forbid_unknown_fields=True):
    token: UUID
    progress: Annotated[float, Meta(ge=0, le=100)] | None = None
    note: Annotated[str, Meta(max_length=1000)] | None = None


class Task(Struct):
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


class TaskPage(Struct):
    items: list[Task]
    next_cursor: str | None


class Lease(Struct):
    token: UUID
    fence: int
    attempt: int
    expires_at: datetime
    pulse_every_s: int


class ClaimedTask(Struct):
    task: Task
    lease: Lease


class ClaimedTasks(Struct):
    items: list[ClaimedTask]


class Heartbeat(Struct):
    expires_at: datetime
    pulse_every_s: int
    cancel_requested: bool

"""The data model of tasks: what clients send and receive."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.problems import FieldError
from app.validation import Body, JSONObject, size_errors

Status = Literal["open", "in_progress", "done", "cancelled", "failed"]
Priority = Literal["low", "normal", "high", "urgent"]
Action = Literal["created", "updated", "deleted", "claimed", "completed", "failed", "released", "expired", "requeued"]
"""What a change of a task is."""

Title = Annotated[str, Meta(min_length=1, max_length=200)]
Description = Annotated[str, Meta(max_length=10_000)]
Assignee = Annotated[str, Meta(min_length=1, max_length=200)]
Label = Annotated[str, Meta(min_length=1, max_length=50)]
Labels = Annotated[
    list[Label],
    Meta(max_length=20, extra_json_schema={"uniqueItems": True}),
]
Time = Annotated[datetime, Meta(tz=True)]
MaxAttempts = Annotated[int, Meta(ge=1, le=1000)]
UniqueKey = Annotated[str, Meta(min_length=1, max_length=255)]

BackoffSeconds = Annotated[int, Meta(ge=0, le=86_400)]
Factor = Annotated[float, Meta(ge=1, le=10)]
MaxSeconds = Annotated[int, Meta(ge=0, le=31_536_000)]

MAX_PAYLOAD = 16_384
"""Bytes of a payload as JSON without white space, in UTF-8."""
MAX_BATCH = 1000


class Retry(Body):
    """The wait after an attempt: min(max_s, backoff_s * factor^(attempts - 1)), plus or minus a tenth.

    It follows a failure without `retry_in_s`, and an expiry, then counted from the lease's `expires_at`.
    """

    backoff_s: BackoffSeconds = 10
    factor: Factor = 2
    max_s: MaxSeconds = 3600


class RetryPatch(Body):
    """Changes to `retry`: null puts a member back to its default, absent keeps it."""

    backoff_s: BackoffSeconds | UnsetType | None = UNSET
    factor: Factor | UnsetType | None = UNSET
    max_s: MaxSeconds | UnsetType | None = UNSET


class NewTask(Body):
    """A task to create."""

    title: Title
    description: Description | None = None
    status: Status = "open"
    priority: Priority = "normal"
    assignee: Assignee | None = None
    labels: Labels = []
    due_at: Time | None = None
    run_after: Time | None = None
    """Nobody can claim the task before."""
    payload: JSONObject = {}
    max_attempts: MaxAttempts = 3
    retry: Retry | None = None
    """The wait after an attempt that failed or expired; null: none."""
    unique_key: UniqueKey | None = None
    """At most one unfinished task has it: creating another one answers with the task that is there."""

    def errors(self, pointer: str) -> Iterator[FieldError]:
        """Yield what types cannot express: see `task_errors`."""
        times = {"due_at": self.due_at, "run_after": self.run_after}
        return task_errors(pointer, self.labels, times, self.payload)


class ClaimableTask(msgspec.Struct):
    """What of a task's JSON says who could claim it."""

    status: Status
    labels: list[str]
    claimable_at: datetime | None

    @property
    def waits(self) -> bool:
        """Whether nobody can claim it yet."""
        return self.claimable_at is not None and self.claimable_at > datetime.now(UTC)


class _Item(msgspec.Struct, gc=False):
    """The part of a task that can be large."""

    payload: msgspec.Raw = msgspec.Raw(b"{}")


class _Outline(msgspec.Struct):
    """An outline of NewTasks, at a few bytes an item: msgspec checks the length of a list only once it is decoded."""

    tasks: Annotated[list[_Item], Meta(max_length=MAX_BATCH)]


class NewTasks(Body):
    """Tasks to create together: all, or none."""

    tasks: Annotated[list[NewTask], Meta(min_length=1, max_length=MAX_BATCH)]

    @classmethod
    def precheck(cls, body: bytes) -> Iterator[FieldError]:
        """Yield an error for each payload that is too large; too many tasks raise msgspec.ValidationError."""
        for index, task in enumerate(msgspec.json.decode(body, type=_Outline).tasks):
            yield from size_errors(f"#/tasks/{index}/payload", task.payload, MAX_PAYLOAD)

    def errors(self, pointer: str) -> Iterator[FieldError]:
        """Yield the errors of each task."""
        for index, task in enumerate(self.tasks):
            yield from task.errors(f"{pointer}/tasks/{index}")


class TaskPatch(Body):
    """Changes to a task as a merge patch (RFC 7396): null puts a field back to its default, absent keeps it."""

    title: Title | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    status: Status | UnsetType = UNSET
    priority: Priority | UnsetType | None = UNSET
    assignee: Assignee | UnsetType | None = UNSET
    labels: Labels | UnsetType | None = UNSET
    due_at: Time | UnsetType | None = UNSET
    run_after: Time | UnsetType | None = UNSET
    """Can be changed only while the task is open."""
    payload: JSONObject | UnsetType | None = UNSET
    max_attempts: MaxAttempts | UnsetType | None = UNSET
    retry: RetryPatch | UnsetType | None = UNSET
    unique_key: UniqueKey | UnsetType | None = UNSET

    def errors(self, pointer: str) -> Iterator[FieldError]:
        """Yield what types cannot express; the payload is measured after the merge."""
        times = {"due_at": self.due_at or None, "run_after": self.run_after or None}
        return task_errors(pointer, self.labels or [], times, {})

    def changes(self) -> dict[str, Any]:
        """Return the fields to set; null has become the default of a new task, and what is to merge is not empty."""
        present = {name: getattr(self, name) for name in self.__struct_fields__}
        return {
            name: getattr(_DEFAULTS, name) if value is None else value
            for name, value in present.items()
            if value is not UNSET and value not in _MERGES_NOTHING
        }


_MERGES_NOTHING: tuple[object, ...] = ({}, RetryPatch())
_DEFAULTS = NewTask(title="Every other field has its default")


class Task(msgspec.Struct):
    """A task as clients get it."""

    id: UUID
    title: str
    description: str | None
    status: Status
    priority: Priority
    assignee: str | None
    labels: list[str]
    due_at: datetime | None
    run_after: datetime | None
    """Nobody can claim the task before; null: no such time."""
    claimable_at: datetime | None
    """When the wait ends of a task that cannot be claimed yet; it stays, past that time too, until the next change."""
    payload: dict[str, Any]
    max_attempts: int
    retry: Retry | None
    """The wait after an attempt that failed or expired; null: none."""
    unique_key: str | None
    """At most one unfinished task has it."""
    attempts: int
    """Failed and expired claims since the task was made or requeued."""
    fence: int
    """Grows by one with every claim and is never reset."""
    cancel_requested: bool
    result: Any
    """What `completeTask` was given: any JSON, null where that was nothing or the task is not done."""
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    version: int
    """Grows with every change; the entity tag is this number in quotes."""


class Tasks(msgspec.Struct):
    """Tasks that were created together, or were there."""

    items: list[Task]
    existing: list[int] | UnsetType = UNSET
    """The places in `items`, from 0, of tasks that were there, or earlier in the batch; absent without `unique_key`."""


class TaskPage(msgspec.Struct):
    """A page of a list; `next_cursor` is null on the last one."""

    items: list[Task]
    next_cursor: str | None
    total: int | UnsetType = UNSET
    """Tasks on all pages, where `count=true` asks for it."""


def task_errors(
    pointer: str, labels: list[str], times: Mapping[str, datetime | None], payload: JSONObject
) -> Iterator[FieldError]:
    """Yield an error for each duplicate label, a time outside the years 1 to 9999 in UTC, and a payload too large."""
    yield from label_errors(pointer, labels)
    for name, time in times.items():
        try:
            if time is not None:
                time.astimezone(UTC)
        except OverflowError:
            yield FieldError("body", f"{pointer}/{name}", f"{pointer}/{name} is outside the years 1 to 9999 in UTC.")
    if payload:
        yield from size_errors(f"{pointer}/payload", payload, MAX_PAYLOAD)


def label_errors(pointer: str, labels: list[str]) -> Iterator[FieldError]:
    """Yield an error for each duplicate label, which types cannot express."""
    for index, label in enumerate(labels):
        if label in labels[:index]:
            path = f"{pointer}/labels/{index}"
            yield FieldError("body", path, f"{path}: the label {label!r} stands twice.")


def merge(target: JSONObject, patch: JSONObject) -> JSONObject:
    """Apply a merge patch to a JSON object (RFC 7396, section 2); neither argument is changed."""
    merged = dict(target)
    for name, value in patch.items():
        raw = bytes(value).strip()
        if raw == b"null":
            merged.pop(name, None)
        elif raw.startswith(b"{"):
            below = bytes(merged.get(name, b"")).strip()
            inner = merge(_members(below) if below.startswith(b"{") else {}, _members(raw))
            merged[name] = msgspec.Raw(msgspec.json.encode(inner))
        else:
            merged[name] = value
    return merged


def _members(raw: bytes) -> JSONObject:
    return msgspec.json.decode(raw, type=JSONObject)

"""The data model of calls about many leases at once: what workers send and receive."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Protocol
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.leases.model import MAX_RESULT, Completion, Failure, Pulse
from app.problems import FieldError
from app.tasks.model import MAX_BATCH, Status
from app.validation import Body, size_errors


class PulseItem(Pulse, kw_only=True):
    """A sign of life for one of many tasks."""

    id: UUID


class CompletionItem(Completion, kw_only=True):
    """The end of one of many tasks that went well."""

    id: UUID


class FailureItem(Failure, kw_only=True):
    """The end of one of many attempts that went wrong."""

    id: UUID


class _LargePart(msgspec.Struct, gc=False):
    """The part of an item that can be large."""

    result: msgspec.Raw = msgspec.Raw(b"null")


class _Outline(msgspec.Struct):
    """An outline of these bodies, at a few bytes an item: msgspec checks the length of a list once it is decoded."""

    items: Annotated[list[_LargePart], Meta(max_length=MAX_BATCH)]


class _OfTask(Protocol):
    @property
    def id(self) -> UUID: ...

    def errors(self, pointer: str) -> Iterator[FieldError]: ...


class _Items(Body):
    """What the bodies share."""

    @classmethod
    def precheck(cls, body: bytes) -> Iterator[FieldError]:
        """Yield an error for each result that is too large; too many items raise msgspec.ValidationError."""
        for index, item in enumerate(msgspec.json.decode(body, type=_Outline).items):
            yield from size_errors(f"#/items/{index}/result", item.result, MAX_RESULT)


class Pulses(_Items):
    """Signs of life for many tasks."""

    items: Annotated[list[PulseItem], Meta(min_length=1, max_length=MAX_BATCH)]

    def errors(self, pointer: str) -> Iterator[FieldError]:
        """Yield an error for each task that stands twice."""
        return _errors(pointer, self.items)


class Completions(_Items):
    """The ends of many tasks that went well."""

    items: Annotated[list[CompletionItem], Meta(min_length=1, max_length=MAX_BATCH)]

    def errors(self, pointer: str) -> Iterator[FieldError]:
        """Yield an error for each result that is too large, and each task that stands twice."""
        return _errors(pointer, self.items)


class Failures(_Items):
    """The ends of many attempts that went wrong."""

    items: Annotated[list[FailureItem], Meta(min_length=1, max_length=MAX_BATCH)]

    def errors(self, pointer: str) -> Iterator[FieldError]:
        """Yield an error for each task that stands twice."""
        return _errors(pointer, self.items)


def _errors(pointer: str, items: Sequence[_OfTask]) -> Iterator[FieldError]:
    for index, item in enumerate(items):
        yield from item.errors(f"{pointer}/items/{index}")
    yield from twice_errors(f"{pointer}/items", [item.id for item in items], "/id")


def twice_errors(pointer: str, ids: Sequence[UUID], member: str = "") -> Iterator[FieldError]:
    """Yield an error for each id of a list that stood before; `member` is its path within an item."""
    first: dict[UUID, int] = {}
    for index, task_id in enumerate(ids):
        if (place := first.setdefault(task_id, index)) != index:
            path = f"{pointer}/{index}{member}"
            yield FieldError("body", path, f"{path}: the task {task_id} stands at {pointer}/{place} already.")


class Verdict(msgspec.Struct):
    """What came of the call for one task: where it was refused, the problem that the call for this task alone gives."""

    id: UUID
    ok: bool
    status: Status | int
    """The task's status; where `ok` is false, the HTTP status of the problem."""
    version: int | UnsetType = UNSET
    """The task's version; absent where `ok` is false."""
    expires_at: datetime | UnsetType = UNSET
    """When the extended lease expires."""
    pulse_every_s: int | UnsetType = UNSET
    """A third of the extended lease's time."""
    cancel_requested: bool | UnsetType = UNSET
    """Somebody wants the task cancelled: stop, and call fail or release."""
    type: str | UnsetType = UNSET
    """The problem: where a page explains this type, `/problems/<name>`."""
    title: str | UnsetType = UNSET
    detail: str | UnsetType = UNSET


class Verdicts(msgspec.Struct):
    """A verdict for each item, in the order given."""

    items: list[Verdict]

"""The data model of leases: what workers send and receive."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.problems import FieldError
from app.tasks.model import Labels, Task, label_errors
from app.validation import Body, JSONValue, size_errors

MAX_RESULT = 16_384
"""Bytes of a result as JSON without white space, in UTF-8."""

Worker = Annotated[str, Meta(min_length=1, max_length=200)]
Seconds = Annotated[int, Meta(ge=1, le=86_400)]
Token = Annotated[str, Meta(min_length=1, max_length=255)]


class Claim(Body):
    """A worker that wants a task for some seconds; `worker` is a name for people, and no fence."""

    worker: Worker
    ttl_s: Seconds


class ClaimMany(Claim):
    """A worker that wants any tasks, or any that have one of some labels."""

    labels: Labels | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 1

    def errors(self, pointer: str) -> Iterator[FieldError]:
        """Yield an error for each duplicate label."""
        return label_errors(pointer, self.labels or [])


class Pulse(Body):
    """A sign of life; what is absent or null stays as it was."""

    token: Token
    progress: Annotated[float, Meta(ge=0, le=100)] | None = None
    """Per cent."""
    note: Annotated[str, Meta(max_length=1000)] | None = None


class Completion(Body):
    """The end of a task that went well; the result becomes a field of the task."""

    token: Token
    result: JSONValue | UnsetType = UNSET
    """Any JSON, of 16 KiB at most without white space."""

    def errors(self, pointer: str) -> Iterator[FieldError]:
        """Yield an error for a result that is too large."""
        if self.result is not UNSET:
            yield from size_errors(f"{pointer}/result", self.result, MAX_RESULT)


class Failure(Body):
    """The end of an attempt that went wrong; the error is kept in the task's history."""

    token: Token
    error: Annotated[str, Meta(min_length=1, max_length=10_000)]
    retry_in_s: Annotated[int, Meta(ge=0, le=86_400)] | None = None
    """Nobody can claim the task for so long; null: as long as the task's `retry` says."""


class Release(Body):
    """A task given back untouched."""

    token: Token


class Lease(msgspec.Struct):
    """What a worker needs to keep a task."""

    token: str
    """New with every claim; the calls that keep or end the lease need it."""
    fence: int
    """Grows by one with every claim of this task. Send it to other systems, so that they can refuse a lower one."""
    attempt: int
    expires_at: datetime
    pulse_every_s: int
    """A third of the lease's time, so that two pulses may get lost."""


class ClaimedTask(msgspec.Struct):
    """A task, and the lease on it."""

    task: Task
    lease: Lease


class ClaimedTasks(msgspec.Struct):
    """Tasks claimed together, the most urgent first."""

    items: list[ClaimedTask]


class Heartbeat(msgspec.Struct):
    """The answer to a pulse."""

    expires_at: datetime
    pulse_every_s: int
    cancel_requested: bool
    """Somebody wants the task cancelled: stop, and call fail or release."""


class LeaseState(msgspec.Struct):
    """Who holds a task, for everybody to see; never the token."""

    worker: str
    attempt: int
    fence: int
    claimed_at: datetime
    pulsed_at: datetime
    expires_at: datetime
    progress: float | None
    note: str | None
    state: Literal["live", "expired"]

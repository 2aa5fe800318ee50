"""The data model of events: their order, their ids, the filters of a stream and the bytes that are sent."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

import msgspec

from app.tasks.history import Actor, ChangedFields
from app.tasks.model import Action


class Position(NamedTuple):
    """The position of an event: its transaction, then its sequence number."""

    transaction: int
    sequence: int


START = Position(0, 0)
END = Position(2**64 - 1, 2**63 - 1)

_ID = re.compile(r"([0-9a-f]{12})-([0-9]{1,20})-([0-9]{1,19})")


class EventId(NamedTuple):
    """The `id` of an event: `<epoch>-<transaction>-<sequence>`."""

    epoch: str
    position: Position

    def __str__(self) -> str:
        """Return the id as clients see it."""
        return f"{self.epoch}-{self.position.transaction}-{self.position.sequence}"

    @classmethod
    def parse(cls, text: str) -> "EventId | None":
        """Return the id that `text` is, or None where it cannot be one."""
        match = _ID.fullmatch(text)
        if match is None:
            return None
        position = Position(int(match[2]), int(match[3]))
        return cls(match[1], position) if position <= END and position.sequence <= END.sequence else None


FROM_START = EventId("", START)
"""Where `after=0` begins: with the oldest event that is kept."""


class TaskEvent(msgspec.Struct):
    """A change of a task; the `data` of an event."""

    task_id: UUID
    title: str | None
    """The task's title when the event is read; of a deleted task the one that it had, null where that is unknown."""
    at: datetime
    action: Action
    version: int
    """The task's version after the change."""
    actor: Actor | None
    """Null where the service itself made the change."""
    before: ChangedFields | None
    """The fields that changed, as they were; the whole task where it was deleted, null where it was created."""
    after: ChangedFields | None
    """The fields that changed, as they became; the whole task where it was created, null where it was deleted."""


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event ready to be sent, and the values that filters compare."""

    position: Position
    at: float
    """Seconds since 1970."""
    task: str
    action: str
    status: str | None
    assignees: frozenset[str]
    labels: frozenset[str]
    data: bytes
    """JSON in one line."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The filters of a stream; None matches everything."""

    task: frozenset[str] | None = None
    action: frozenset[str] | None = None
    status: frozenset[str] | None = None
    assignee: frozenset[str] | None = None
    label: frozenset[str] | None = None

    def matches(self, event: EventRecord) -> bool:
        """Return whether the stream gets this event."""
        return (
            (self.task is None or event.task in self.task)
            and (self.action is None or event.action in self.action)
            and (self.status is None or event.status in self.status)
            and (self.assignee is None or not self.assignee.isdisjoint(event.assignees))
            and (self.label is None or not self.label.isdisjoint(event.labels))
        )


ALL = Selection()


def block(epoch: str, event: EventRecord) -> bytes:
    """Return the bytes of an event (WHATWG HTML, section 9.2.5)."""
    return b"id: %s\ndata: %s\n\n" % (str(EventId(epoch, event.position)).encode(), event.data)


def mark(event_id: EventId) -> bytes:
    """Return a block that moves a client's last event id, without an event."""
    return f"id: {event_id}\n\n".encode()


def reset(reason: Literal["unknown", "pruned"], event_id: EventId) -> bytes:
    """Return the event `reset`: the client missed events, and continues after this id."""
    return b'event: reset\nid: %s\ndata: {"reason":"%s"}\n\n' % (str(event_id).encode(), reason.encode())

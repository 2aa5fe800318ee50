"""Reads events from the database, and finds the position of an event id in it."""

from dataclasses import dataclass
from typing import NamedTuple

from app.events.model import END, START, EventId, EventRecord, Position
from app.postgres.pool import Database
from app.postgres.statements import sql

LIST, EPOCHS, BEGIN = sql("events/list_events"), sql("events/list_epochs"), sql("events/begin_epoch")
PAGE_BYTES = 64 * 1024
"""Bytes of events after which a page ends: a thousand readers may hold a page each."""
FEW, MANY = 8, 200
"""Events that a page asks for: few at first, then twice as many as fitted, so that large ones are not read in vain."""
_WHITE = bytes.maketrans(b"\n\r", b"  ")


class EventRow(NamedTuple):
    """A row of list_events.sql: where the stream of events stands, and an event or nulls."""

    epoch: str
    present: bool
    pruned_transaction: str
    pruned_sequence: int
    head_transaction: str | None
    head_sequence: int
    looked_at: float
    held_since: float | None
    transaction: str | None
    sequence: int
    at: float
    task_id: str
    action: str
    status: str | None
    assignees: list[str | None]
    labels: list[str] | None
    data: bytes


@dataclass(frozen=True, slots=True)
class EventPage:
    """What one statement found."""

    epoch: str
    floor: Position
    """The last event that is no longer kept."""
    head: Position
    """The last event that can be read."""
    looked_at: float
    """Seconds since 1970, by the database's clock."""
    held_since: float | None
    """When the oldest change was made that is committed and waits for an older transaction; None: none waits."""
    events: list[EventRecord]
    limit: int
    """Events to ask for next."""


async def read_page(database: Database, after: Position, until: Position = END, limit: int = FEW) -> EventPage:
    """Read the next events between two positions, without the first; begin an epoch where the server has restarted.

    There are no more events up to `until` where the last one is at `until` or at the head; `limit` 0 reads none.

    Raises psycopg.OperationalError.
    """
    values = {
        "after_transaction": str(after.transaction),
        "after_sequence": after.sequence,
        "until_transaction": str(until.transaction),
        "until_sequence": until.sequence,
        "limit": limit,
        "bytes": PAGE_BYTES,
    }
    rows = [EventRow._make(row) for row in await database.fetch(LIST, values)]
    if not rows or not rows[0].present:
        await database.fetch(BEGIN, {})
        rows = [EventRow._make(row) for row in await database.fetch(LIST, values)]
    first = rows[0]
    floor = Position(int(first.pruned_transaction), first.pruned_sequence)
    head = START if first.head_transaction is None else Position(int(first.head_transaction), first.head_sequence)
    events = [_event(row, row.transaction) for row in rows if row.transaction is not None]
    limit = max(FEW, min(2 * len(events), MANY))
    return EventPage(first.epoch, floor, max(floor, head), first.looked_at, first.held_since, events, limit)


def _event(row: EventRow, transaction: str) -> EventRecord:
    return EventRecord(
        Position(int(transaction), row.sequence),
        row.at,
        row.task_id,
        row.action,
        row.status,
        frozenset(filter(None, row.assignees)),
        frozenset(row.labels or ()),
        row.data.translate(_WHITE),  # JSON keeps line feeds between its tokens only
    )


class EpochRow(NamedTuple):
    """A row of list_epochs.sql."""

    id: str
    continues: bool
    until_transaction: str
    until_sequence: int


class Epochs:
    """The epochs of the database, oldest first."""

    def __init__(self, rows: list[EpochRow]) -> None:
        self.id = rows[-1].id
        self._rows = rows

    @classmethod
    async def read(cls, database: Database) -> "Epochs":
        """Read all epochs; one begins at each start of the database server.

        Raises psycopg.OperationalError.
        """
        return cls([EpochRow._make(row) for row in await database.fetch(EPOCHS, {})])

    def common(self, event_id: EventId) -> Position | None:
        """Return the last position up to which this database has what a client saw; None: the id is of another one.

        A position before that of the client means that the rest was lost.
        """
        position = event_id.position
        for row in reversed(self._rows):
            if row.id == event_id.epoch:
                return position
            if not row.continues:
                return None
            position = min(position, Position(int(row.until_transaction), row.until_sequence))
        return None

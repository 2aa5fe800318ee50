"""Events in the database: what is there by now, and whether an id that a client has is of this database."""

from dataclasses import dataclass
from typing import Any

from app.events.model import END, START, Change, EventId, Position
from app.postgres.pool import Database
from app.postgres.statements import sql

LIST, EPOCHS, BEGIN = sql("events/list_events"), sql("events/list_epochs"), sql("events/begin_epoch")
PAGE_BYTES = 64 * 1024
"""Bytes of events at which a look leaves the others to the next one: a thousand readers may hold a page each."""
FEW, MANY = 8, 200
"""Events that a look asks for: few at first, then twice as many as had room, lest large ones are read in vain."""
_WHITE = bytes.maketrans(b"\n\r", b"  ")


@dataclass(frozen=True, slots=True)
class Look:
    """What one statement saw."""

    epoch: str
    floor: Position
    """The last event that is no longer kept."""
    head: Position
    """The last event that can be read."""
    looked_at: float
    """Seconds since 1970, by the database's clock."""
    held_since: float | None
    """When the first change was made that is committed and waits for a transaction that is older; None: none waits."""
    changes: list[Change]
    limit: int
    """Events to ask for next."""


async def look(database: Database, after: Position, until: Position = END, limit: int = FEW) -> Look:
    """Read the next events between two positions, the first left out; begin an epoch where the server runs anew.

    All are read where their last is `until` or the head; `limit` 0 asks for none.

    Raises psycopg.OperationalError.
    """
    values = {
        "after_transaction": str(after.transaction),
        "after_sequence": after.sequence,
        "until_transaction": str(until.transaction),
        "until_sequence": until.sequence,
        "limit": limit,
    }
    rows = await database.fetch(LIST, values)
    if not rows or not rows[0][1]:
        await database.fetch(BEGIN, {})
        rows = await database.fetch(LIST, values)
    epoch, _, floor_transaction, floor_sequence, transaction, sequence, looked_at, held_since = rows[0][:8]
    floor = Position(int(floor_transaction), floor_sequence)
    head = START if transaction is None else Position(int(transaction), sequence)
    changes, size = list[Change](), 0
    for row in rows:
        if row[8] is not None and size < PAGE_BYTES:
            changes.append(_change(row[8:]))
            size += len(changes[-1].data)
    limit = max(FEW, min(2 * len(changes), MANY))
    return Look(epoch, floor, max(floor, head), looked_at, held_since, changes, limit)


def _change(row: tuple[Any, ...]) -> Change:
    transaction, sequence, at, task, action, status, assignees, labels, data = row
    return Change(
        Position(int(transaction), sequence),
        at,
        task,
        action,
        status,
        frozenset(filter(None, assignees)),
        frozenset(labels or ()),
        data.translate(_WHITE),  # JSON keeps line feeds between its tokens only
    )


class Epochs:
    """The epochs of the database, oldest first."""

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self.id = str(rows[-1][0])
        self._rows = [(str(row[0]), bool(row[1]), Position(int(row[2]), row[3])) for row in rows]

    @classmethod
    async def read(cls, database: Database) -> "Epochs":
        """Read them all; there is one for each start of the database server.

        Raises psycopg.OperationalError.
        """
        return cls(await database.fetch(EPOCHS, {}))

    def common(self, event_id: EventId) -> Position | None:
        """Return up to where this database has what a client saw until this id, None where it is not of this database.

        An earlier position than the client's own tells that the rest was lost.
        """
        position = event_id.position
        for epoch, continues, until in reversed(self._rows):
            if epoch == event_id.epoch:
                return position
            if not continues:
                return None
            position = min(position, until)
        return None

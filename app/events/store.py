"""Events in the database: what is there by now, and whether an id that a client has is of this database."""

from dataclasses import dataclass
from typing import Any

from app.database import Database, sql
from app.events.model import END, START, Change, EventId, Position

LIST, EPOCHS, BEGIN = sql("list_events"), sql("list_epochs"), sql("begin_epoch") + " returning true"
PAGE = 200
"""Events that one statement reads."""
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
    """When the oldest change was made that is committed and waits for a transaction that is older; None: none waits."""
    changes: list[Change]


async def look(database: Database, after: Position, until: Position = END, limit: int = PAGE) -> Look:
    """Read the events between two positions, the first left out; begin an epoch where the server runs anew.

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
    changes = [_change(row[8:]) for row in rows if row[8] is not None]
    return Look(epoch, floor, max(floor, head), looked_at, held_since, changes)


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

    def holds(self, event_id: EventId) -> bool:
        """Say whether all that a client saw up to this id is in this database."""
        for epoch, continues, until in reversed(self._rows):
            if epoch == event_id.epoch:
                return True
            if not continues or event_id.position > until:
                return False
        return False

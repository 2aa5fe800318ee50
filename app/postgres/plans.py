"""Notices when tables have grown or shrunk so much that plans made before are no longer good.

PostgreSQL keeps the plan of a prepared statement until the statistics change. Autovacuum may take minutes to notice
that an empty table has filled up, and a plan for an empty table scans all of it.
"""

from collections.abc import Mapping
from typing import NamedTuple

from app.postgres.statements import sql

CHECK_EVERY_S = 0.5
FACTOR = 2
"""How many times larger or smaller a table may become before its plans are made again."""
SMALL = 64 * 1024
"""Bytes that do not matter: any plan reads a table of this size in a fraction of a millisecond."""

SIZES = sql("plans/table_sizes")


class SizeRow(NamedTuple):
    """A row of table_sizes.sql."""

    name: str
    bytes: int | None


class TableSizes:
    """The sizes for which the present plans were made."""

    def __init__(self) -> None:
        self._planned: Mapping[str, int] = {}

    def outgrown(self, rows: list[SizeRow]) -> bool:
        """Return whether plans need to be made again, and if so, take these sizes as the ones they are made for."""
        now = {row.name: row.bytes for row in rows if row.bytes is not None}
        if not any(
            _differs(self._planned.get(name, 0), now.get(name, 0)) for name in self._planned.keys() | now.keys()
        ):
            return False
        self._planned = now
        return True


def _differs(before: int, now: int) -> bool:
    smaller, larger = sorted((before, now))
    return larger > FACTOR * smaller + SMALL

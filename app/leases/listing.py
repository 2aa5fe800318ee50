"""The list of leases: who holds which task, and which workers have gone quiet."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec

from app.postgres.shares import Fetcher
from app.postgres.statements import sql
from app.tasks import cursor
from app.tasks.model import Label, Priority
from app.tasks.query import PAGE_BYTES, SEPARATOR

LIST = sql("leases/list_leases")

Liveness = Literal["live", "quiet"]
"""A quiet lease has expired, and nobody has claimed the task since."""


class HeldTask(msgspec.Struct):
    """A lease, and what of its task tells people which one it is; never the token."""

    task_id: UUID
    title: str
    priority: Priority
    labels: list[Label]
    worker: str
    attempt: int
    max_attempts: int
    fence: int
    claimed_at: datetime
    pulsed_at: datetime
    expires_at: datetime
    progress: float | None
    """Per cent."""
    note: str | None
    cancel_requested: bool
    state: Liveness


class LeasePage(msgspec.Struct):
    """A page of leases, in the order in which their tasks were made; `next_cursor` is null on the last one."""

    items: list[HeldTask]
    next_cursor: str | None


class LeaseRow(NamedTuple):
    """A row of list_leases.sql; `lease` is a HeldTask as JSON."""

    task_id: UUID
    lease: bytes


class LeaseQuery(NamedTuple):
    """Which leases to list: those in this state, of one of these workers, on a task with one of these labels."""

    state: Liveness | None = None
    workers: Sequence[str] | None = None
    labels: Sequence[str] | None = None

    async def page(self, database: Fetcher, limit: int, after: str | None) -> tuple[bytes, str | None]:
        """Return up to `limit` leases after a cursor, as JSON with SEPARATOR between, and the cursor of the next page.

        They are fewer than `limit` where they would be larger than PAGE_BYTES.
        Raises Problem: invalid-request, for a bad cursor; what `database` raises.
        """
        identity = {"leases": self._asdict()}
        last = cursor.decode(after, UUID, identity) if after is not None else UUID(int=0)
        # Planned each time for its values: PostgreSQL then drops the filters that are null, and knows rare labels.
        rows = list(map(LeaseRow._make, await database.fetch(LIST, self.values(limit + 1, last), prepare=False)))
        kept, size = rows[:limit], 0
        for place, row in enumerate(kept):
            size += len(row.lease)
            if size > PAGE_BYTES and place:
                kept = kept[:place]
                break
        next_cursor = cursor.encode(kept[-1].task_id, identity) if len(kept) < len(rows) else None
        return SEPARATOR.join(row.lease for row in kept), next_cursor

    def values(self, limit: int, after: UUID) -> dict[str, Any]:
        """Return the parameters of LIST."""
        return {**self._asdict(), "limit": limit, "after": after}

"""Filters and sorts of task lists: composes the SQL for them from app/postgres/sql/tasks/list_tasks.toml."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, LiteralString, NamedTuple
from uuid import UUID

import msgspec
import psycopg

from app.postgres.pool import Row
from app.postgres.shares import Fetcher
from app.postgres.statements import Template, toml
from app.problems import FieldError, invalid
from app.tasks import cursor
from app.tasks.model import Priority, Time

LIST, LIST_MANY = Template("tasks/list_tasks"), Template("tasks/list_many_tasks")
COUNT = Template("tasks/count_tasks")
SEPARATOR = b",\n"
"""Separates the tasks of a page; it never occurs within one, as each is JSON in one line."""
PAGE_BYTES = 256 * 1024
"""Bytes after which a page ends, however many tasks were asked for; a single task has 100 KiB at most."""
FEW = 51
"""Tasks of which the text is made without a look at its size; more could be too much to hold."""
EXPORT_PAGE = 200
"""Tasks that one statement of an export reads, in about 10 ms."""

SortName = Literal[
    "created_at", "-created_at", "updated_at", "-updated_at", "due_at", "-due_at", "priority", "-priority"
]
LeaseFilter = Literal["live", "expired", "none"]
SORT_KINDS: Mapping[str, Any] = {
    "created_at": tuple[Time, UUID],
    "updated_at": tuple[Time, UUID],
    "due_at": tuple[Time | None, UUID],
    "priority": tuple[Priority, UUID],
}
"""Types of what a cursor holds: the sort key and the id of the last task."""

Position = tuple[Any, UUID]


class _Parts(msgspec.Struct, forbid_unknown_fields=True):
    """The schema of list_tasks.toml."""

    sorts: dict[str, dict[str, str]]
    label_in_order: dict[str, str]
    any_of: dict[str, tuple[str, str]]
    choices: dict[str, dict[str, str]]
    filters: dict[str, str]


class PageRow(NamedTuple):
    """A row of list_tasks.sql."""

    number: int
    tasks: bytes | None


class _Keys(msgspec.Struct):
    """The sort keys within a task's JSON."""

    id: UUID
    created_at: datetime
    updated_at: datetime
    due_at: datetime | None
    priority: str


PARTS = msgspec.convert(toml("tasks/list_tasks"), _Parts)


class TaskQuery:
    """The sort of a list, and the filters that are set, by name."""

    def __init__(self, filters: Mapping[str, Any], sort: SortName) -> None:
        self._sort = sort.removeprefix("-")
        self._descending = sort.startswith("-")
        self._identity = {"filters": dict(filters), "sort": sort}
        self._values: dict[str, Any] = {}
        self._conditions: list[str] = []
        for name, value in filters.items():
            if name in PARTS.choices:
                self._conditions.append(PARTS.choices[name][value])
            elif name in PARTS.any_of:
                one, several = PARTS.any_of[name]
                self._conditions.append(one if len(value) == 1 else several)
                self._values[name] = value[0] if len(value) == 1 else value
            else:
                self._conditions.append(PARTS.filters[name])
                self._values[name] = value

        self._ordered = self._conditions
        """The conditions, with that on labels as a walk along the order of the list where there is one."""
        labels = filters.get("label", ())
        if labels and self._sort == "created_at" and (len(labels) == 1 or len(filters) == 1):
            walk = PARTS.label_in_order["alone" if len(filters) == 1 else "one"]
            self._values["labels"] = labels
            self._ordered = [walk if each in PARTS.any_of["label"] else each for each in self._conditions]

    def conditions(self) -> tuple[str, dict[str, Any]]:
        """Return the SQL condition that a task `t` of this query meets, and its parameters."""
        return _where(self._conditions), {name: self._values[name] for name in self._values if name != "labels"}

    def position(self, token: str) -> Position:
        """Return the position in a cursor of this query.

        Raises Problem: invalid-request.
        """
        position: Position = cursor.decode(token, SORT_KINDS[self._sort], self._identity)
        return position

    def is_quick(self, limit: int) -> bool:
        """Return whether a page is a walk along an index, of few tasks."""
        return not self._conditions and limit < FEW

    def cursor(self, last: Position) -> str:
        """Return the cursor for the page after `last`."""
        return cursor.encode(last, self._identity)

    async def page(self, database: Fetcher, limit: int, after: Position | None) -> tuple[bytes, Position | None]:
        """Return up to `limit` tasks as JSON with SEPARATOR between, and the last one's position if more follow.

        They are fewer than `limit` where they would be larger than PAGE_BYTES.
        """
        statement, values = self.statement(limit + 1, after)
        [row] = map(PageRow._make, await self._fetch(database, statement, values))
        tasks, more = row.tasks or b"", row.number > limit
        if more:
            tasks = tasks.rpartition(SEPARATOR)[0]
        if len(tasks) > PAGE_BYTES:
            tasks, more = tasks[: tasks.rindex(SEPARATOR, 0, PAGE_BYTES)], True
        if not more:
            return tasks, None
        last = msgspec.json.decode(tasks.rpartition(SEPARATOR)[2], type=_Keys)
        return tasks, (getattr(last, self._sort), last.id)

    async def pages(self, database: Fetcher) -> AsyncIterator[bytes]:
        """Yield every task, a page for each statement; no connection is held between two of them."""
        tasks, last = await self.page(database, EXPORT_PAGE, None)
        yield tasks
        while last is not None:
            tasks, last = await self.page(database, EXPORT_PAGE, last)
            yield tasks

    async def total(self, database: Fetcher) -> int:
        """Return the number of tasks on all pages."""
        statement = COUNT.fill(conditions=_where(self._conditions))
        [(total,)] = await self._fetch(database, statement, self._values)
        return int(total)

    def statement(self, limit: int, after: Position | None) -> tuple[LiteralString, dict[str, Any]]:
        """Return the statement that reads up to `limit` tasks after a position, and its parameters."""
        values = self._values
        if after is not None:
            values = {**values, "after_key": "infinity" if after[0] is None else after[0], "after_id": after[1]}
        key = tuple(self._ordered), self._sort, self._descending, after is not None, limit
        return _list_statement(*key), values

    async def _fetch(self, database: Fetcher, statement: LiteralString, values: Mapping[str, Any]) -> list[Row]:
        """Run a statement; PostgreSQL plans one with filters each time, for its values.

        A plan for any value would treat the rare label and the one that half of all tasks have alike.
        Raises Problem: invalid-request, for a full text that PostgreSQL cannot take apart; what `database` raises.
        """
        try:
            return await database.fetch(statement, values, prepare=False if self._conditions else None)
        except psycopg.errors.InternalError_ as error:
            if "tsquery" not in str(error):
                raise
            raise invalid(FieldError("query", "q", "q holds too many operators; use fewer minus signs.")) from None


@lru_cache(1000)
def _list_statement(
    conditions: tuple[str, ...], sort: str, descending: bool, continued: bool, limit: int
) -> LiteralString:
    """Compose the statement; its limit is a literal, as PostgreSQL plans each time for a limit it does not know."""
    key, kind = PARTS.sorts[sort]["key"], PARTS.sorts[sort]["type"]
    direction, comparison = (" desc", "<") if descending else ("", ">")
    walk = any("/*after*/" in condition for condition in conditions)
    after = PARTS.label_in_order["after"].replace("/*comparison*/", comparison) if continued else ""
    for mark, text in {"/*after*/": after, "/*direction*/": direction, "/*limit*/": str(limit)}.items():
        conditions = tuple(condition.replace(mark, text) for condition in conditions)
    if continued and not walk:
        conditions = (*conditions, f"({key}, t.id) {comparison} (%(after_key)s::{kind}, %(after_id)s::uuid)")
    parts = {"conditions": _where(conditions), "order": f"{key}{direction}, t.id{direction}", "limit": str(limit)}
    return LIST.fill(**parts) if limit <= FEW else LIST_MANY.fill(**parts, bytes=str(PAGE_BYTES))


def _where(conditions: Sequence[str]) -> str:
    return " and ".join(conditions) or "true"

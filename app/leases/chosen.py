"""Requeues, cancels and deletes many tasks, chosen by ids or a filter. `actor` is the id of the API key that calls."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, LiteralString, NamedTuple
from uuid import UUID

import msgspec
import psycopg
from msgspec import UNSET, Meta, UnsetType

from app.leases.items import twice_errors
from app.postgres.pool import Connection
from app.postgres.statements import Template, toml
from app.problems import FieldError, invalid
from app.tasks.model import MAX_BATCH, Assignee, Label, Priority, Status, Time
from app.tasks.query import LeaseFilter, TaskQuery
from app.tasks.store import array
from app.validation import Body

Action = Literal["requeue", "cancel", "delete"]

PARTS = msgspec.convert(toml("leases/chosen"), dict[str, dict[str, str]])
LOCK, COUNT = Template("leases/lock_chosen_tasks"), Template("leases/count_chosen_tasks")
CHANGES = {name: Template(f"leases/{name}_tasks") for name in PARTS}
BY_IDS = "t.id = any(%(ids)s::uuid[])"
ANY_OF = {"status", "priority", "assignee", "label"}
"""Filters that may have several values."""


class TaskFilter(Body):
    """The filters of `listTasks`, of which a task must match all; a list stands for any of its values."""

    status: Status | Annotated[list[Status], Meta(min_length=1)] | UnsetType = UNSET
    priority: Priority | Annotated[list[Priority], Meta(min_length=1)] | UnsetType = UNSET
    assignee: Assignee | Annotated[list[Assignee], Meta(min_length=1)] | UnsetType = UNSET
    label: Label | Annotated[list[Label], Meta(min_length=1)] | UnsetType = UNSET
    due_before: Time | UnsetType = UNSET
    due_after: Time | UnsetType = UNSET
    created_before: Time | UnsetType = UNSET
    created_after: Time | UnsetType = UNSET
    updated_after: Time | UnsetType = UNSET
    run_after_before: Time | UnsetType = UNSET
    run_after_after: Time | UnsetType = UNSET
    ready: bool | UnsetType = UNSET
    overdue: bool | UnsetType = UNSET
    lease: LeaseFilter | UnsetType = UNSET
    q: Annotated[str, Meta(min_length=1, max_length=500)] | UnsetType = UNSET

    def given(self) -> dict[str, Any]:
        """Return the filters that are set."""
        present = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in present.items() if value is not UNSET}

    def errors(self, pointer: str) -> Iterator[FieldError]:
        """Yield an error for a filter that says nothing, and for a time outside the years 1 to 9999 in UTC."""
        given = self.given()
        if not given:
            names = ", ".join(self.__struct_fields__)
            yield FieldError("body", pointer, f"{pointer} needs at least one of {names}.")
        for name, value in given.items():
            path = f"{pointer}/{name}"
            try:
                _value(name, value)
            except OverflowError:
                yield FieldError("body", path, f"{path} is outside the years 1 to 9999 in UTC.")

    def query(self) -> TaskQuery:
        """Return the query with these filters."""
        return TaskQuery({name: _value(name, value) for name, value in self.given().items()}, "created_at")


def _value(name: str, value: Any) -> Any:
    """Return the value of a filter as `TaskQuery` takes it: of those that may have several, a list."""
    if name in ANY_OF:
        return sorted(set(value if isinstance(value, list) else [value]))
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value).lower() if isinstance(value, bool) else value


class Choice(Body):
    """Which tasks a call is about: either those with some ids, or the oldest ones that match a filter."""

    ids: (
        Annotated[list[UUID], Meta(min_length=1, max_length=MAX_BATCH, extra_json_schema={"uniqueItems": True})]
        | UnsetType
    ) = UNSET
    filter: TaskFilter | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=MAX_BATCH)] = MAX_BATCH
    """The call is about so many tasks at most."""
    dry_run: bool = False
    """Change nothing, and answer what the call would change."""

    def errors(self, pointer: str) -> Iterator[FieldError]:
        """Yield an error unless there are ids or a filter, for an id that stands twice, and those of the filter."""
        if (self.ids is UNSET) == (self.filter is UNSET):
            yield FieldError("body", pointer, f"{pointer} needs either ids or filter, to say which tasks are meant.")
        if self.ids is not UNSET:
            yield from twice_errors(f"{pointer}/ids", self.ids)
        if self.filter is not UNSET:
            yield from self.filter.errors(f"{pointer}/filter")


class Outcome(msgspec.Struct):
    """What came of a call about many tasks, or would."""

    changed: int
    skipped: int
    """Tasks that stay as they are: there is nothing to change, or it is not allowed, or there is no such task."""
    more: bool
    """There are more that the call would change: `limit` left them out."""


class LockedTasks(NamedTuple):
    """A row of lock_chosen_tasks.sql."""

    ids: list[UUID]
    more: bool
    others: int
    leases: int


class CountedTasks(NamedTuple):
    """A row of count_chosen_tasks.sql."""

    chosen: int
    changed: int
    more: bool
    others: int


async def change(connection: Connection, actor: str, action: Action, choice: Choice) -> tuple[Outcome, list[list[str]]]:
    """Change the chosen tasks, all in one transaction; return what came of it, and the labels of each changed task.

    Tasks and leases are locked in the order of their ids, and looked at again once they are.
    Raises Problem: invalid-request, for a full text that PostgreSQL cannot take apart.
    """
    parts, values = _parts(action, choice)
    while True:
        try:
            async with connection.transaction():
                locked = LockedTasks._make(await _row(connection, LOCK, parts, values))
                statement = _fill(CHANGES[action], parts)
                changing = {**values, "chosen": array(locked.ids), "actor": actor}
                rows = await (await connection.execute(statement, changing, prepare=False)).fetchall()
                break
        except psycopg.errors.UniqueViolation:
            continue  # a task with the unique key of one of them has been made since the look: look again
    changed = [labels for (labels,) in rows]
    skipped = len(locked.ids) - len(changed) + locked.others
    return _outcome(choice, len(changed), skipped, more=locked.more), changed


async def count(connection: Connection, action: Action, choice: Choice) -> Outcome:
    """Return what `change` would do now.

    Raises Problem, as `change` does.
    """
    counted = CountedTasks._make(await _row(connection, COUNT, *_parts(action, choice)))
    skipped = counted.chosen - counted.changed + counted.others
    return _outcome(choice, counted.changed, skipped, more=counted.more)


def _outcome(choice: Choice, changed: int, skipped: int, *, more: bool) -> Outcome:
    if choice.ids is UNSET:
        return Outcome(changed, skipped, more)
    return Outcome(changed, min(len(choice.ids), choice.limit) - changed, len(choice.ids) > choice.limit)


def _parts(action: Action, choice: Choice) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the parts of a statement and their parameters."""
    parts = {**PARTS[action], "limit": str(choice.limit)}
    if choice.filter is UNSET:
        ids = [] if choice.ids is UNSET else choice.ids
        return {**parts, "conditions": BY_IDS}, {"ids": array(ids[: choice.limit])}
    conditions, values = choice.filter.query().conditions()
    return {**parts, "conditions": f"({conditions})"}, values


def _fill(template: Template, parts: Mapping[str, str]) -> LiteralString:
    return template.fill(**{name: parts[name] for name in template.parts})


async def _row(
    connection: Connection, template: Template, parts: Mapping[str, str], values: Mapping[str, Any]
) -> tuple[Any, ...]:
    """Run a statement that has one row; it is planned each time, for its values, as those of lists are."""
    try:
        cursor = await connection.execute(_fill(template, parts), values, prepare=False)
    except psycopg.errors.InternalError_ as error:
        if "tsquery" not in str(error):
            raise
        detail = "#/filter/q holds too many operators; use fewer minus signs."
        raise invalid(FieldError("body", "#/filter/q", detail)) from None
    [row] = await cursor.fetchall()
    return row

"""The history of a task: GET /v1/tasks/{id}/history."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from litestar import Request, get
from litestar.params import FromPath
from litestar.response import Response

from app.http import page
from app.http.openapi import LINK, answers
from app.postgres.pool import Database, sql
from app.tasks import cursor as cursors
from app.tasks.store import not_found

LIST, IS_KNOWN = sql("tasks/list_history"), sql("tasks/task_is_known")


class Actor(msgspec.Struct):
    """The API key that made a change."""

    key_id: str
    name: str


class Change(msgspec.Struct):
    """One change of a task."""

    at: datetime
    action: Literal[
        "created", "updated", "deleted", "claimed", "completed", "failed", "released", "expired", "requeued"
    ]
    version: int
    """The task's version after the change."""
    actor: Actor | None
    """Null where the service itself made the change."""
    before: dict[str, Any] | None
    """The fields that changed, as they were; the whole task where it was deleted, null where it was created."""
    after: dict[str, Any] | None
    """The fields that changed, as they became; the whole task where it was created, null where it was deleted."""


class History(msgspec.Struct):
    """A page of a task's changes, oldest first; `next_cursor` is null on the last one."""

    items: list[Change]
    next_cursor: str | None


@get(
    "/tasks/{task_id:uuid}/history",
    operation_id="getTaskHistory",
    summary="Read what happened to a task",
    opt={"scope": "read"},
    responses=answers(400, 404),
    response_headers=[LINK],
)
async def get_history(
    request: Request[Any, Any, Any], task_id: FromPath[UUID], limit: page.Limit = 50, cursor: page.Cursor = None
) -> Response[History]:
    """Read who changed what and when, oldest first; a deleted task keeps its history.

    Changes older than HISTORY_DAYS (an operator's setting, by default 365) are gone.
    """
    database: Database = request.app.state.database
    query = {"history": task_id}
    after = cursors.decode(cursor, int, query) if cursor is not None else 0
    rows = await database.fetch(LIST, {"task_id": task_id, "after": after, "limit": limit + 1})
    if not rows and not (await database.fetch(IS_KNOWN, {"task_id": task_id}))[0][0]:
        raise not_found(task_id)
    next_cursor = cursors.encode(rows[limit - 1][0], query) if len(rows) > limit else None
    return page.answer(request, page.SEPARATOR.join(change for _, change in rows[:limit]), next_cursor)

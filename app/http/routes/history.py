"""GET /v1/tasks/{id}/history."""

from typing import Any
from uuid import UUID

from litestar import Request, Response, get
from litestar.params import FromPath

from app.http import page
from app.http.openapi import LINK, answers
from app.postgres.pool import Database
from app.tasks import cursor as cursors
from app.tasks.history import History, read_history
from app.tasks.query import SEPARATOR


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
    rows = await read_history(database, task_id, after, limit + 1)
    next_cursor = cursors.encode(rows[limit - 1].sequence, query) if len(rows) > limit else None
    return page.answer(request, SEPARATOR.join(row.change for row in rows[:limit]), next_cursor)

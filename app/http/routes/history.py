"""GET /v1/tasks/{id}/history."""

from typing import Any
from uuid import UUID

from litestar import Request, Response, get
from litestar.params import FromPath

from app.http import page
from app.http.endpoint import endpoint
from app.http.holding import heavy_call
from app.http.openapi import LINK
from app.tasks import cursor as cursors
from app.tasks.history import History, read_history
from app.tasks.query import SEPARATOR


@endpoint(
    get,
    "/tasks/{task_id:uuid}/history",
    operation_id="getTaskHistory",
    summary="Read what happened to a task",
    scope="read",
    sends=(LINK,),
    problems=(404,),
)
async def get_history(
    request: Request[Any, Any, Any], task_id: FromPath[UUID], limit: page.Limit = 50, cursor: page.Cursor = None
) -> Response[History]:
    """Read who changed what and when, oldest first; a deleted task keeps its history.

    Changes older than HISTORY_DAYS (an operator's setting, by default 365) are gone.
    """
    query = {"history": task_id}
    after = cursors.decode(cursor, int, query) if cursor is not None else 0
    rows, last = await read_history(heavy_call(request), task_id, after, limit)
    next_cursor = cursors.encode(last, query) if last is not None else None
    return page.respond(request, SEPARATOR.join(row.change for row in rows), next_cursor)

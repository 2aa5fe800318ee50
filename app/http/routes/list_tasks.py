"""GET /v1/tasks: the list of tasks, by pages or as an export."""

import logging
from collections.abc import AsyncIterator, Sequence
from datetime import UTC
from typing import Annotated, Any

import msgspec
import psycopg
from litestar import Request, get
from litestar.params import QueryParameter
from litestar.response import Response, Stream

from app.http import page
from app.http.endpoint import endpoint
from app.http.holding import heavy_call, hold
from app.http.negotiation import JSON, NDJSON, preferred
from app.http.openapi import LINK
from app.http.request_headers import get_header
from app.http.services import services
from app.problems import FieldError, invalid
from app.tasks.model import Assignee, Label, Priority, Status, TaskPage, Time
from app.tasks.query import PAGE_BYTES, SEPARATOR, LeaseFilter, SortName, TaskQuery

log = logging.getLogger(__name__)

VARY = {"Vary": "Accept"}
_TIME = {"format": "date-time"}


def _time(description: str) -> QueryParameter:
    return QueryParameter(description=description, schema_extra=_TIME)


def _any_of(what: str, max_length: int | None = None) -> QueryParameter:
    item = {"items": {"type": "string", "minLength": 1, "maxLength": max_length}} if max_length else None
    return QueryParameter(
        description=f"Only tasks with this {what}. Repeat it for tasks with any of several.", schema_extra=item
    )


@endpoint(
    get,
    "/tasks",
    operation_id="listTasks",
    summary="List tasks",
    scope="read",
    gives=(JSON, NDJSON),
    sends=(LINK,),
)
async def list_tasks(
    request: Request[Any, Any, Any],
    *,
    status: Annotated[list[Status] | None, _any_of("status")] = None,
    priority: Annotated[list[Priority] | None, _any_of("priority")] = None,
    assignee: Annotated[list[Assignee] | None, _any_of("assignee", 200)] = None,
    label: Annotated[list[Label] | None, _any_of("label", 50)] = None,
    due_before: Annotated[str | None, _time("Only tasks due before this time.")] = None,
    due_after: Annotated[str | None, _time("Only tasks due after this time.")] = None,
    created_before: Annotated[str | None, _time("Only tasks created before this time.")] = None,
    created_after: Annotated[str | None, _time("Only tasks created after this time.")] = None,
    updated_after: Annotated[str | None, _time("Only tasks changed after this time.")] = None,
    run_after_before: Annotated[str | None, _time("Only tasks whose `run_after` is before this time.")] = None,
    run_after_after: Annotated[str | None, _time("Only tasks whose `run_after` is after this time.")] = None,
    ready: Annotated[
        bool | None, QueryParameter(description="Only tasks that can be claimed now, or with `false` all others.")
    ] = None,
    overdue: Annotated[
        bool | None,
        QueryParameter(description="Only unfinished tasks that are past `due_at`, or with `false` all others."),
    ] = None,
    lease: Annotated[
        LeaseFilter | None,
        QueryParameter(
            description="`live`: only tasks that a worker holds. `expired`: only tasks whose lease expired and that"
            " nobody has claimed since. `none`: only tasks without a lease."
        ),
    ] = None,
    q: Annotated[
        str | None,
        QueryParameter(
            min_length=1,
            max_length=500,
            description="Full-text search in title and description, in English, with the syntax of search engines:"
            ' `deploy "signing key" -staging or rollback`.',
        ),
    ] = None,
    sort: Annotated[
        SortName,
        QueryParameter(
            description="The order of the list; `-` means descending. Tasks without `due_at` come after all others."
        ),
    ] = "-created_at",
    count: Annotated[
        bool, QueryParameter(description="Whether to add `total`, the number of tasks on all pages.")
    ] = False,
    limit: page.Limit = 50,
    cursor: page.Cursor = None,
) -> Response[TaskPage]:
    """List tasks, newest first, a page at a time: follow `next_cursor`, or the `Link` header with `rel="next"`.

    With `Accept: application/x-ndjson`, every task that matches comes in one answer, a line each; such an export
    refuses `limit`, `cursor` and `count`. It is whole only if it ends as HTTP says, with the last chunk: an error on
    the way breaks the connection off. Tasks that change meanwhile may be missing or come twice where the sort is by
    what changes.
    """
    times = {
        "due_before": due_before,
        "due_after": due_after,
        "created_before": created_before,
        "created_after": created_after,
        "updated_after": updated_after,
        "run_after_before": run_after_before,
        "run_after_after": run_after_after,
    }
    sets: dict[str, Sequence[str] | None] = {
        "status": status,
        "priority": priority,
        "assignee": assignee,
        "label": label,
    }
    filters: dict[str, Any] = {name: sorted(set(values)) for name, values in sets.items() if values}
    filters |= {name: _parse(name, text) for name, text in times.items() if text is not None}
    switches = {"overdue": overdue, "ready": ready}
    given = {name: None if value is None else str(value).lower() for name, value in switches.items()}
    given |= {"lease": lease, "q": q}
    filters |= {name: value for name, value in given.items() if value is not None}
    query = TaskQuery(filters, sort)
    if preferred(get_header(request, b"accept"), (JSON, NDJSON)) == NDJSON:
        return await _export(request, query)
    after = query.position(cursor) if cursor is not None else None
    database = heavy_call(request, quick=query.is_quick(limit) and not count)
    tasks, last = await query.page(database, limit, after)
    total = await query.total(database) if count else None
    response = page.respond(request, tasks, query.cursor(last) if last else None, total)
    response.headers |= VARY
    return response


def _parse(name: str, text: str) -> str:
    """Return a time in a query parameter as UTC.

    Raises Problem: invalid-request.
    """
    try:
        return msgspec.convert(text, Time).astimezone(UTC).isoformat()
    except (msgspec.ValidationError, OverflowError):
        detail = (
            f"{name}={text!r} is not a time of RFC 3339 with an offset, as in 2026-01-31T12:00:00Z"
            " (a + in a query is written %2B)."
        )
        raise invalid(FieldError("query", name, detail)) from None


async def _export(request: Request[Any, Any, Any], query: TaskQuery) -> Response[Any]:
    """Stream all tasks of a query; the first page is read before the response starts, so that it can still be a 503.

    Raises Problem: invalid-request, for parameters of pages.
    """
    if wrong := [name for name in ("limit", "cursor", "count") if name in request.query_params]:
        raise invalid(*(FieldError("query", name, f"{name} is for pages; an export has none.") for name in wrong))
    pages = query.pages(heavy_call(request, patient=True))
    first = await anext(pages)
    hold(request, services(request).limits.answer_bytes, 2 * PAGE_BYTES)  # one page waits while the next is read
    lines = () if request.scope["state"]["head"] else _lines(request, first, pages)
    return Stream(lines, headers=VARY, media_type=NDJSON)


async def _lines(request: Request[Any, Any, Any], first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield pages as lines; the next page is read only once the server has sent the one before.

    Where the database does not answer, disconnect the client: without the last chunk, it sees that tasks are missing.
    """
    yield _ndjson(first)
    try:
        async for tasks in rest:
            yield _ndjson(tasks)
    except psycopg.OperationalError as error:
        log.warning(
            "an export ended early: %s",
            " ".join(str(error).split()) or type(error).__name__,
            extra={"request_id": request.scope["state"]["request_id"]},
        )
        extensions: Any = request.scope["extensions"]
        extensions["abort"]()


def _ndjson(tasks: bytes) -> bytes:
    return tasks.replace(SEPARATOR, b"\n") + b"\n" if tasks else b""

"""GET /v1/leases: who holds which task."""

from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.params import QueryParameter

from app.http import page
from app.http.endpoint import endpoint
from app.http.holding import heavy_call
from app.http.openapi import LINK
from app.leases.listing import LeasePage, LeaseQuery, Liveness
from app.leases.model import Worker
from app.tasks.model import Label


def _any_of(description: str, max_length: int) -> QueryParameter:
    item = {"items": {"type": "string", "minLength": 1, "maxLength": max_length}}
    return QueryParameter(description=f"{description}. Repeat it for any of several.", schema_extra=item)


@endpoint(
    get,
    "/leases",
    operation_id="listLeases",
    summary="See who holds which task",
    scope="read",
    sends=(LINK,),
)
async def list_leases(
    request: Request[Any, Any, Any],
    *,
    liveness: Annotated[
        Liveness | None,
        QueryParameter(
            name="state",
            description="`live`: only leases that last. `quiet`: only expired leases whose task"
            " nobody has claimed since.",
        ),
    ] = None,
    worker: Annotated[list[Worker] | None, _any_of("Only leases of this worker", 200)] = None,
    label: Annotated[list[Label] | None, _any_of("Only leases on tasks with this label", 50)] = None,
    limit: page.Limit = 50,
    cursor: page.Cursor = None,
) -> Response[LeasePage]:
    """See all leases with worker, progress and last pulse, in the order in which their tasks were made.

    A lease that has expired is `quiet` until another worker claims the task, a late pulse renews it, or the task ends.
    """
    query = LeaseQuery(liveness, sorted(set(worker)) if worker else None, sorted(set(label)) if label else None)
    items, next_cursor = await query.page(heavy_call(request), limit, cursor)
    return page.respond(request, items, next_cursor)

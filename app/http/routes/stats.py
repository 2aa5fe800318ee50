"""GET /v1/stats."""

from typing import Any

from litestar import Request, Response, get

from app.http.endpoint import api_router, endpoint
from app.http.responses import JSONResponse
from app.http.services import services
from app.metrics.stats import Stats


@endpoint(
    get,
    "/stats",
    operation_id="getStats",
    summary="See how many tasks there are, and what was done",
    scope="read",
)
async def get_stats(request: Request[Any, Any, Any]) -> Response[Stats]:
    """See how many tasks there are, and what workers did in each minute of the last hour.

    A process computes these figures every two seconds at the most, whoever asks, and more rarely where that takes long:
    `computed_at` says when. Each process does so for itself, so the next call may get older figures than the last one.
    """
    return JSONResponse(await services(request).stats.read())


router = api_router([get_stats], "Service")

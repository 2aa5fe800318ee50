"""GET /metrics, for Prometheus."""

from typing import Any

import prometheus_client
from litestar import Request, Response, get

from app.http.auth import authorize_scrape
from app.http.holding import begin_small_call
from app.http.openapi import problem_responses
from app.http.services import services
from app.limits import pause


@get(
    "/metrics",
    operation_id="scrapeMetrics",
    summary="Metrics for Prometheus",
    tags=["Service"],
    guards=[authorize_scrape],
    opt={"scope": "metrics"},
    media_type="text/plain",
    responses=problem_responses(only=(401, 403, 429, 503)),
)
async def scrape(request: Request[Any, Any, Any]) -> Response[str]:
    """Give this process's metrics in Prometheus' text format. Many calls a second are delayed."""
    await begin_small_call(request)
    extensions: Any = request.scope["extensions"]
    await pause(services(request).limits.scrapes.delay_s(), extensions["lost"]())
    return Response(
        prometheus_client.generate_latest().decode(),
        headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST},
        media_type="text/plain",
    )

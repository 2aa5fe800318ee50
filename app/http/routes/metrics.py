"""GET /metrics, for Prometheus."""

import prometheus_client
from litestar import Response, get

from app.http.auth import authorize_scrape
from app.http.openapi import problem_responses


@get(
    "/metrics",
    operation_id="scrapeMetrics",
    summary="Metrics for Prometheus",
    tags=["Service"],
    guards=[authorize_scrape],
    opt={"scope": "metrics"},
    media_type="text/plain",
    responses=problem_responses(only=(401, 403, 503)),
)
async def scrape() -> Response[str]:
    """Give this process's metrics in Prometheus' text format."""
    return Response(
        prometheus_client.generate_latest().decode(),
        headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST},
        media_type="text/plain",
    )

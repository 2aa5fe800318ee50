"""What Prometheus scrapes, and what this process tells of itself there."""

from collections.abc import Iterator

import prometheus_client
from litestar import Response, get
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app import __version__
from app.database import Database
from app.http.access import authorize_scrape
from app.http.openapi import answers


class ServiceCollector(Collector):
    """What this process knows of itself at the moment of a scrape."""

    def __init__(self, database: Database, revision: str) -> None:
        self._database = database
        self._revision = revision

    def collect(self) -> Iterator[Metric]:
        """Yield the build and the state of the connection pool."""
        info = {"version": __version__, "revision": self._revision}
        build = GaugeMetricFamily("taskpulse_build_info", "What runs; always 1.", labels=list(info))
        build.add_metric(list(info.values()), 1)
        yield build
        yield GaugeMetricFamily(
            "taskpulse_database_up", "1 while the database answers, else 0.", value=float(self._database.up)
        )
        pool = self._database.statistics()
        yield GaugeMetricFamily("taskpulse_pool_size", "Connections in the pool.", value=pool["pool_size"])
        yield GaugeMetricFamily("taskpulse_pool_max_size", "Connections the pool may have.", value=pool["pool_max"])
        yield GaugeMetricFamily(
            "taskpulse_pool_available", "Connections that no request holds.", value=pool["pool_available"]
        )
        yield GaugeMetricFamily(
            "taskpulse_pool_waiting", "Requests that wait for a connection.", value=pool["requests_waiting"]
        )


@get(
    "/metrics",
    operation_id="scrapeMetrics",
    summary="Metrics for Prometheus",
    tags=["Service"],
    guards=[authorize_scrape],
    security=[{"key": []}],
    opt={"scope": "metrics"},
    media_type="text/plain",
    responses=answers(only=(401, 403, 503)),
)
async def scrape() -> Response[str]:
    """Give this process's metrics in Prometheus' text format."""
    return Response(
        prometheus_client.generate_latest().decode(),
        headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST},
        media_type="text/plain",
    )

"""Gauges of the build, the database and the connection pool."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app import __version__
from app.postgres.pool import Database


class ServiceCollector(Collector):
    """Reads the state of the process at the moment of a scrape."""

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

"""Metrics of requests by route: how many, how long, and how many are in progress."""

from collections import Counter as Tally
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import prometheus_client
from prometheus_client import REGISTRY, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

LATENCY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds; 0.25 s is the latency objective and must be one of them."""

LABELS = ("method", "path", "status_code", "app_name", "long_lived")
NOT_COUNTED = ("/metrics", "/health/", "/docs", "/board", "/openapi")
"""Prefixes of routes that are not part of the API."""
NO_ROUTE = "-"
"""The path of what is counted without a route: 404, 405 and OPTIONS, which any client can ask for at any path."""

HTTPScope = Mapping[str, Any]
"""The ASGI scope of a request; the router adds `path_template`, the middleware `state`."""

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]

REQUESTS = Counter("http_requests_total", "Total requests", LABELS)
ERRORS = Counter("http_requests_error_total", "Total errors in requests", LABELS)
DURATION = Histogram("http_request_duration_seconds", "Request duration, in seconds", LABELS, buckets=LATENCY_BUCKETS_S)


def long_lived(scope: HTTPScope) -> bool:
    """Return whether a request is meant to last, and so does not count for the latency objective.

    That is an event stream, a long poll (RFC 7240, `Prefer: wait`) or an export.
    """
    if scope["path"] == "/v1/events":
        return True
    fields = scope["state"]["fields"]
    prefer, accept = fields.get(b"prefer"), fields.get(b"accept")
    return bool(
        (prefer and b"wait=" in prefer.replace(b" ", b"").lower())
        or (accept and b"application/x-ndjson" in accept.lower())
    )


@cache
def _series(method: str, path: str, status: int, lasts: bool) -> tuple[Counter, Histogram, Counter | None] | None:
    """Return the counters of one combination of labels; cached, as the look-up costs more than counting."""
    if path.startswith(NOT_COUNTED):
        if status != 404:
            return None
        path = NO_ROUTE
    labels = (method, path, status, "taskpulse", str(lasts).lower())
    return REQUESTS.labels(*labels), DURATION.labels(*labels), ERRORS.labels(*labels) if status >= 500 else None


class RequestMetrics(Collector):
    """Tracks the requests in progress, and counts each that matched a route once it has ended."""

    def __init__(self) -> None:
        self._scopes: dict[int, HTTPScope] = {}
        REGISTRY.register(self)

    def begin(self, scope: HTTPScope) -> None:
        """Track a request that begins."""
        self._scopes[id(scope)] = scope

    def end(self, scope: HTTPScope, status: int, duration_s: float) -> None:
        """Count a request that has ended."""
        del self._scopes[id(scope)]
        path = scope.get("path_template") or NO_ROUTE
        series = _series(scope["method"], path, status, path != NO_ROUTE and long_lived(scope))
        if series is None:
            return
        requests, duration, errors = series
        requests.inc()
        duration.observe(duration_s)
        if errors is not None:
            errors.inc()

    def collect(self) -> Iterator[Metric]:
        """Yield the gauge."""
        gauge = GaugeMetricFamily(
            "http_requests_in_progress",
            "Total requests currently in progress",
            labels=[name for name in LABELS if name != "status_code"],
        )
        routed = ((scope, scope.get("path_template")) for scope in self._scopes.values())
        tally = Tally(
            (scope["method"], path, "taskpulse", str(long_lived(scope)).lower())
            for scope, path in routed
            if path is not None and not path.startswith(NOT_COUNTED)
        )
        for labels, number in tally.items():
            gauge.add_metric(labels, number)
        yield gauge

"""Gauges of the event streams of this process."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.events.hub import Hub


class EventCollector(Collector):
    """Reads the hub at the moment of a scrape."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterator[Metric]:
        """Yield the number of open streams, and up to when every change was pushed to them."""
        yield GaugeMetricFamily("taskpulse_event_streams", "Open event streams.", value=len(self._hub.readers))
        if self._hub.sent_up_to is not None:
            yield GaugeMetricFamily(
                "taskpulse_events_sent_up_to_timestamp_seconds",
                "Every change committed before this moment was handed to the event streams.",
                value=self._hub.sent_up_to,
            )

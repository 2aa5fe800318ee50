"""How the event streams of this process are."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.events.hub import Hub


class EventCollector(Collector):
    """Shows what the hub knows at the moment of a scrape."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterator[Metric]:
        """Yield the open streams, and up to when everything was handed to them."""
        yield GaugeMetricFamily("taskpulse_event_streams", "Open event streams.", value=len(self._hub.readers))
        if self._hub.sent_up_to is not None:
            yield GaugeMetricFamily(
                "taskpulse_events_sent_up_to_timestamp_seconds",
                "Every change committed before this moment was handed to the event streams.",
                value=self._hub.sent_up_to,
            )

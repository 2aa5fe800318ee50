"""What is refused because of a bound (docs/limits.md)."""

from prometheus_client import Counter

REFUSED = Counter(
    "taskpulse_refused_total", "Requests and connections that were refused because of a bound.", ["reason"]
)

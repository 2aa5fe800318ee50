"""How many requests and connections were refused because they went beyond a bound (docs/limits.md)."""

from prometheus_client import Counter

REFUSED = Counter(
    "taskpulse_refused_total", "Requests and connections that went beyond a bound, by reason.", ("reason",)
)

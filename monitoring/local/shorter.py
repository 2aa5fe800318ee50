"""The same configuration with shorter waiting times, so that an alert can be watched from start to end."""

import re
from typing import Any

WAITS = frozenset(
    {
        *("for", "keep_firing_for", "interval", "evaluation_interval", "scrape_interval", "scrape_timeout"),
        *("group_wait", "group_interval", "repeat_interval"),
    }
)
"""Keys whose value is a time to wait. Windows of a query, as in `rate(x[5m])`, are waiting times too, and so are the
seconds for which a task may wait to be taken over."""

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_WINDOW = re.compile(r"(?<=[\[:])(\d+[smhd])(?=[\]:])")
DELAY = re.compile(r"(takeover_delay_seconds:max\[\w+\]\) > )(\d+)")


def shorten(part: Any, factor: int, shortest_s: int = 1) -> Any:
    """Return a copy with every waiting time divided by `factor`, at least `shortest_s`, and nothing else changed."""

    def shorter(duration: str) -> str:
        seconds = int(duration[:-1]) * _UNITS_S[duration[-1]]
        return f"{min(seconds, max(shortest_s, seconds // factor))}s"

    if isinstance(part, list):
        return [shorten(each, factor, shortest_s) for each in part]
    if not isinstance(part, dict):
        return part
    result = {}
    for key, value in part.items():
        if key in WAITS and isinstance(value, str):
            result[key] = shorter(value)
        elif key == "expr":
            windows = _WINDOW.sub(lambda match: shorter(match[1]), value)
            result[key] = DELAY.sub(lambda match: match[1] + shorter(f"{match[2]}s").removesuffix("s"), windows)
        else:
            result[key] = shorten(value, factor, shortest_s)
    return result

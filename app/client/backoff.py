"""How long to wait before a call is tried again."""

import random
from datetime import UTC, datetime

from app.client import http_date

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
"""Well under the 30 s that a restart of the database grants to every lease."""
LONGEST_RETRY_AFTER_S = 300.0
"""A Retry-After that is longer, by mistake perhaps, counts as this."""


class Backoff:
    """Pauses that grow exponentially, with jitter; a Retry-After prolongs them."""

    def __init__(self, longest_s: float = LONGEST_PAUSE_S) -> None:
        self._longest_s = longest_s
        self._pause_s = FIRST_PAUSE_S
        self.used = False
        """Whether anything had to be tried again."""

    def next(self, retry_after_s: float = 0) -> float:
        """Return the seconds to wait now; `retry_after_s` is what the answer asks for."""
        self.used = True
        pause_s = min(self._pause_s * random.uniform(0.5, 1.5), self._longest_s)  # noqa: S311 - no secret
        self._pause_s = min(self._pause_s * 2, self._longest_s)
        asked_s = min(retry_after_s, LONGEST_RETRY_AFTER_S)
        return pause_s if asked_s < pause_s else asked_s * random.uniform(1, 1.1)  # noqa: S311


def seconds(retry_after: str | None) -> float:
    """Return the seconds of a Retry-After (RFC 9110, section 10.2.3): a number or a date; 0 for anything else."""
    if retry_after is None:
        return 0
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    moment = http_date.parse(retry_after)
    return 0 if moment is None else max(0.0, (moment - datetime.now(UTC)).total_seconds())

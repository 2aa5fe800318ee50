"""Bytes of request bodies that the process holds, in all and for each key."""

from collections import Counter as Tally

from app.limits import REFUSED
from app.problems import Problem

SMALL = 16 * 1024
"""Bytes of a body that count for nothing if they arrive at once."""
RETRY_AFTER_S = 2


class BodyBudget:
    """What bodies may take from their first byte until the answer to them is sent."""

    name = "body_bytes"
    what = "bytes of request bodies"

    def __init__(self, per_process: int, per_key: int) -> None:
        self.per_process = per_process
        self.per_key = per_key
        self.in_use = 0
        self._by_key: Tally[str] = Tally()
        REFUSED.labels(self.name)
        REFUSED.labels(f"{self.name}_per_key")

    def take(self, key_id: str, size: int) -> None:
        """Hold `size` bytes more for a key.

        Raises Problem: limit-reached for what the key overdoes, overloaded for what the process lacks.
        """
        if self._by_key[key_id] + size > self.per_key:
            REFUSED.labels(f"{self.name}_per_key").inc()
            detail = f"The bound {self.name} allows a key {self.per_key:,} {self.what} at the same time."
            raise Problem("limit-reached", detail, retry_after_s=RETRY_AFTER_S)
        if self.in_use + size > self.per_process:
            REFUSED.labels(self.name).inc()
            detail = f"The bound {self.name} allows all keys together {self.per_process:,} {self.what}."
            raise Problem("overloaded", detail, retry_after_s=RETRY_AFTER_S)
        self.in_use += size
        self._by_key[key_id] += size

    def give_back(self, key_id: str, size: int) -> None:
        """Release what `take` held."""
        self.in_use -= size
        self._by_key[key_id] -= size
        if not self._by_key[key_id]:
            del self._by_key[key_id]

    def in_use_by(self, key_id: str) -> int:
        """Return the bytes of a key."""
        return self._by_key[key_id]

    @property
    def most_by_a_key(self) -> int:
        """The bytes of the key that has most."""
        return max(self._by_key.values(), default=0)

"""Bytes of request bodies that the process holds, in all and for each key."""

from collections import defaultdict

from app.metrics.refusals import REFUSED
from app.problems import Problem

SMALL = 16 * 1024
"""Bytes of a body that count for nothing if they arrive at once."""
_MIB = 1024 * 1024


class BodyBudget:
    """What bodies may take from their first byte until the answer to them is sent."""

    def __init__(self, mib_per_key: int, mib: int) -> None:
        self.per_key = mib_per_key * _MIB
        self.limit = mib * _MIB
        self.in_use = 0
        self.in_use_by_key: defaultdict[str, int] = defaultdict(int)

    def take(self, key_id: str, size: int) -> None:
        """Hold `size` bytes more for a key.

        Raises Problem: too-many-requests for what a key overdid, overloaded for what the process lacks.
        """
        if self.in_use_by_key[key_id] + size > self.per_key:
            REFUSED.labels("body_bytes_key").inc()
            detail = f"Bodies of this key that are under way may have {self.per_key // _MIB} MiB together."
            raise Problem("too-many-requests", detail, retry_after_s=1)
        if self.in_use + size > self.limit:
            REFUSED.labels("body_bytes_process").inc()
            detail = f"Bodies that are under way may have {self.limit // _MIB} MiB together, of all keys."
            raise Problem("overloaded", detail, retry_after_s=1)
        self.in_use += size
        self.in_use_by_key[key_id] += size

    def give_back(self, key_id: str, size: int) -> None:
        """Release what `take` held."""
        self.in_use -= size
        self.in_use_by_key[key_id] -= size
        if not self.in_use_by_key[key_id]:
            del self.in_use_by_key[key_id]

"""A ratio with its 95 % interval from a few values of it, and what that says about a bound."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

FEWEST = 6
"""Values that an interval of 95 % takes: of fewer, all have the same sign by chance in more than one case of twenty."""


@dataclass(frozen=True)
class Ratio:
    """A cost where the base's is 1, and the interval of 95 % that holds the true one."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"

    def verdict(self, bound: float) -> str:
        """Say what is certain: `slower` by more than `bound` allows, `faster` than 1, within the bound, or nothing."""
        if self.low > bound:
            return "slower"
        if self.high < 1:
            return "faster"
        return f"no slower than {bound:g}" if self.high <= bound else "cannot tell"


def estimate(ratios: Sequence[float]) -> Ratio:
    """Return the middle of some independent ratios, and the interval that holds the true one in 95 of 100 cases.

    The interval is that of Wilcoxon's signed-rank test. It does not assume a normal distribution, only that a ratio is
    as likely to be too high as too low.

    Raises ValueError for fewer than FEWEST.
    """
    if len(ratios) < FEWEST:
        raise ValueError(f"an interval takes {FEWEST} ratios, not {len(ratios)}")
    means, place = _means(ratios), _place(len(ratios))
    return Ratio(middle(ratios), math.exp(means[place - 1]), math.exp(means[-place]))


def middle(ratios: Sequence[float]) -> float:
    """Return the estimate of Hodges and Lehmann: the median of the means of all pairs, and of each with itself.

    The means are geometric, so that it does not matter which side is divided by which.
    """
    return math.exp(statistics.median(_means(ratios)))


def _means(ratios: Sequence[float]) -> list[float]:
    logs = [math.log(ratio) for ratio in ratios]
    return sorted((one + other) / 2 for index, one in enumerate(logs) for other in logs[index:])


def _place(size: int) -> int:
    """Return the place, from either end, of the sorted mean that ends the interval.

    With random signs, the sum of the ranks that have a plus is less than this in at most 2.5 % of all cases.
    """
    ways = [1]  # of giving the ranks so far a plus or a minus, by that sum
    for rank in range(1, size + 1):
        without, added = [*ways, *[0] * rank], [*[0] * rank, *ways]
        ways = [one + other for one, other in zip(without, added, strict=True)]
    return sum(40 * total <= 2**size for total in accumulate(ways))

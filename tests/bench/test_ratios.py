import math
import random

import pytest

from bench.compare import Row, table
from bench.ratios import Ratio, estimate, middle


def powers(*exponents: float) -> list[float]:
    return [math.exp(exponent / 100) for exponent in exponents]


def test_it_works() -> None:
    found = estimate([1.02, 1.04, 1.03, 1.05, 1.01, 1.03, 1.02, 1.04])
    assert found.low < 1.03 < found.high
    assert found.value == pytest.approx(1.03, abs=0.001)


@pytest.mark.parametrize(
    ("ratios", "value", "low", "high"),
    [
        # the means of two of them are, in order, 0, .5, 1, 1, ...; tables of the signed-rank test say which ends it
        (powers(*range(6)), 2.5, 0, 5),  # the 1st: at 6 values, a sum of at most 0 is significant
        (powers(*range(8)), 3.5, 1, 6),  # the 4th: at 8, of at most 3
        (powers(*range(10)), 4.5, 2, 7),  # the 9th: at 10, of at most 8
        (powers(*range(20)), 9.5, 6.5, 12.5),  # the 53rd: at 20, of at most 52
        (powers(*[3] * 7), 3, 3, 3),
        (powers(*range(9), 1000), 4.5, 2, 500.5),  # one went wrong: the middle stays, the interval tells of it
        (powers(*range(18), 1000, 2000), 9.5, 6.5, 14),  # two of 20: the interval stays, too
    ],
)
def test_the_estimate(ratios: list[float], value: float, low: float, high: float) -> None:
    found = estimate(random.Random(1).sample(ratios, len(ratios)))
    assert [100 * math.log(end) for end in (found.value, found.low, found.high)] == pytest.approx([value, low, high])
    assert middle(ratios) == pytest.approx(found.value)


def test_the_other_way_round_it_says_the_same() -> None:
    ratios = [1.01, 0.97, 1.10, 1.04, 1.02, 0.99, 1.07]
    found, inverse = estimate(ratios), estimate([1 / ratio for ratio in ratios])
    assert (found.value, found.low, found.high) == pytest.approx((1 / inverse.value, 1 / inverse.high, 1 / inverse.low))


def test_the_interval_holds_the_true_ratio_in_95_of_100_cases() -> None:
    chance = random.Random(1)
    found = [estimate([math.exp(chance.gauss(0.05, 0.02)) for _ in range(10)]) for _ in range(2000)]
    held = sum(each.low <= math.exp(0.05) <= each.high for each in found)
    assert held / len(found) == pytest.approx(0.95, abs=0.01)


def test_five_ratios_are_too_few() -> None:
    with pytest.raises(ValueError, match="takes 6 ratios, not 5"):
        estimate([1.0] * 5)


@pytest.mark.parametrize(
    ("cpu", "time", "verdict"),
    [
        (Ratio(1.06, 1.04, 1.08), Ratio(1, 0.9, 1.1), "slower"),
        (Ratio(1.06, 1.03, 1.08), Ratio(1, 0.9, 1.1), "cannot tell"),  # the bound is in the interval
        (Ratio(1.02, 1.01, 1.03), Ratio(1, 0.9, 1.1), "no slower than 1.03"),  # slower, but not by more than allowed
        (Ratio(1, 0.99, 1.01), Ratio(1, 0.9, 1.1), "no slower than 1.03"),
        (Ratio(0.97, 0.9, 1.04), Ratio(1, 0.9, 1.1), "cannot tell"),
        (Ratio(0.97, 0.95, 0.99), Ratio(1, 0.9, 1.1), "faster"),
        (Ratio(1, 0.99, 1.01), Ratio(1.2, 1.1, 1.3), "slower"),  # it waits
        (Ratio(0.97, 0.95, 0.99), Ratio(1.2, 1.1, 1.3), "slower"),
    ],
)
def test_the_verdict(cpu: Ratio, time: Ratio, verdict: str) -> None:
    row = Row("read one", cpu, time)
    assert row.verdict(1.03) == verdict
    assert table([row], 1.03).splitlines()[1].endswith(verdict)

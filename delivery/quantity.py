"""Amounts as Kubernetes writes them: `1Gi`, `1024Mi` and `1073741824` are one.

Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

QUANTITY = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?[0-9]{1,3}))?")
DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY: dict[str, int] = {unit: 1024**power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)}


def amount(written: Any) -> Fraction | None:
    """What a quantity says; None where it is none."""
    if isinstance(written, bool) or not isinstance(written, str | int | float):
        return None
    found = QUANTITY.fullmatch(str(written).strip())
    if not found:
        return None
    number, unit, exponent = found.groups()
    if unit in BINARY:
        return Fraction(number) * BINARY[unit]
    power = int(exponent) if exponent else DECIMAL[unit or ""]
    return Fraction(f"{number}e{power}")


def canonical(written: Any) -> Any:
    """One way of writing for each amount, the shortest that people use; what is no quantity stays as it is."""
    return written if isinstance(written, dict | list) else shortest(written)


@lru_cache(1 << 12, typed=True)
def shortest(written: Any) -> Any:
    value = amount(written)
    if value is None:
        return written
    for unit, scale in reversed(BINARY.items()):
        if value and value % scale == 0:
            return f"{value // scale}{unit}"
    for unit, power in reversed(DECIMAL.items()):
        scaled = value * Fraction(10**9, 10 ** (power + 9))
        if (value or not unit) and scaled.denominator == 1:
            return f"{scaled}{unit}"
    return f"{-(-value * 10**9 // 1)}n"  # nothing is finer, and it is rounded up

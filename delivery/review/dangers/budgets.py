"""How many pods a PodDisruptionBudget lets go at once, whatever it is written like."""

import math
from collections.abc import Iterator
from typing import Any

from delivery.manifests import Object, dig
from delivery.review.around import Around, Side, namespace_of

MOST = 100  # pods, where the number is not known


def dangers(before: Object, after: Object, around: Around) -> Iterator[str]:
    counts = {pods for side in around.sides() for pods in known(side, after)} or {(1, MOST)}
    for number in sorted({n for least, most in counts for n in range(max(least, 1), min(most, MOST) + 1)}):
        old, new = (allowed(dig(each, "spec") or {}, number) for each in (before, after))
        if new > old:
            pods = "1 pod" if number == 1 else f"{number} pods"
            was = f"{old}" if old else "none"
            yield f"{words(before)} becomes {words(after)}: of {pods}, {new} may be away at once, and before {was}."
            return


def known(side: Side, budget: Object) -> Iterator[tuple[int, int]]:
    """How many pods it is for, at least and at most, of each workload that it selects."""
    for each in side.selected(namespace_of(budget), dig(budget, "spec", "selector")):
        if pods := side.counts(each):
            yield pods


def allowed(spec: Object, pods: int) -> int:
    """How many of so many healthy pods may be evicted. Source: the disruption controller of kubernetes/kubernetes."""
    if spec.get("maxUnavailable") is not None:
        return min(share(spec["maxUnavailable"], pods), pods)
    if spec.get("minAvailable") is not None:
        return max(pods - share(spec["minAvailable"], pods), 0)
    return pods


def share(given: Any, pods: int) -> int:
    """A number of pods, or a percentage of them, rounded up."""
    text = str(given)
    return math.ceil(int(text[:-1]) * pods / 100) if text.endswith("%") else int(text)


def words(budget: Object) -> str:
    spec = dig(budget, "spec") or {}
    for field in ("maxUnavailable", "minAvailable"):
        if spec.get(field) is not None:
            return f"{field} {spec[field]}"
    return "no limit"

"""How many pods a PodDisruptionBudget lets go at once, whatever it is written like: too many, or none."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

from delivery.manifests import Object, dig
from delivery.review.around import Around, Side, Workload, namespace_of, scaled
from delivery.review.pod_templates import pod_labels

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


def undrainable(after: Object, around: Around) -> Iterator[str]:
    """That no pod may be evicted any more, told of the budget, or of the workload or autoscaler if only they change."""
    own = after["kind"] == "PodDisruptionBudget"
    for number, budget in judged(after, around):
        before = around.before.by_number.get(number)
        changed = dig(before, "spec") != dig(budget, "spec")
        if (own and not same(budget, after)) or (not own and changed):
            continue
        pods = selected(around.after, budget)
        if own and not pods and never(budget) and not (before and never(before)):
            yield f"It lets no pod go ({words(budget)}): a drain of nodes with its pods does not end."
        for each in pods:
            if own or same(each.value, after) or scales(after, each.value):
                yield from blocked(each, budget, before, around, own=own)


def judged(after: Object, around: Around) -> Iterable[tuple[int, Object]]:
    """The budgets that a change of an object may concern."""
    namespace, side = namespace_of(after), around.after
    if after["kind"] == "PodDisruptionBudget":
        number = side.number("PodDisruptionBudget", namespace, after["metadata"]["name"])
        return [] if number is None else [(number, side.by_number[number])]
    if after["kind"] == "HorizontalPodAutoscaler":
        kind, _, name = scaled(after).partition("/")
        number = side.number(kind, namespace, name)
        workload = None if number is None else side.workload.get(number)
        return side.selecting("PodDisruptionBudget", namespace, workload.labels) if workload else []
    return side.selecting("PodDisruptionBudget", namespace, pod_labels(after))


def blocked(each: Workload, budget: Object, before: Object | None, around: Around, *, own: bool) -> Iterator[str]:
    subject = "It" if own else f"PodDisruptionBudget/{budget['metadata']['name']}"
    old = around.before.workload.get(each.number)
    was_selected = [one.number for one in selected(around.before, before)] if before else []
    held = around.before.counts(old) if old and before and each.number in was_selected else None
    counts = around.after.counts(each)
    blocks = counts and counts[0] and not allowed(dig(budget, "spec") or {}, counts[0])
    if counts and blocks and (held is None or allowed(dig(before, "spec") or {}, held[0])):
        pods = f"{counts[0]} pod{'s' if counts[0] > 1 else ''} of {each.name}"
        drain = "does not end" if counts[0] == counts[1] else "waits until there are more"
        yield f"{subject} lets none of {pods} go ({words(budget)}): a drain of their nodes {drain}."
    others, had = (budgets_of(side, one) for side, one in ((around.after, each), (around.before, old)))
    if len(others) > 1 and len(had) < 2:
        names = " and ".join(others)
        yield f"The pods of {each.name} have several budgets, {names}: none may be evicted, and a drain does not end."


def same(one: Object, other: Object) -> bool:
    return one["kind"] == other["kind"] and [one["metadata"].get(key) for key in ("namespace", "name")] == [
        other["metadata"].get(key) for key in ("namespace", "name")
    ]


def scales(scaler: Object, each: Object) -> bool:
    name = f"{each['kind']}/{each['metadata']['name']}"
    of_kind = scaler["kind"] == "HorizontalPodAutoscaler"
    return of_kind and scaled(scaler) == name and namespace_of(scaler) == namespace_of(each)


def selected(side: Side, budget: Object) -> list[Workload]:
    return side.selected(namespace_of(budget), dig(budget, "spec", "selector"))


def budgets_of(side: Side, each: Workload | None) -> list[str]:
    """Names of the budgets that a workload's pods have."""
    if each is None:
        return []
    found = side.selecting("PodDisruptionBudget", namespace_of(each.value), each.labels)
    return [budget["metadata"]["name"] for _, budget in found]


def never(budget: Object) -> bool:
    """Whether a budget lets no pod go, however many there are."""
    spec = dig(budget, "spec") or {}
    return str(spec.get("maxUnavailable")) in {"0", "0%"} or str(spec.get("minAvailable")) == "100%"


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

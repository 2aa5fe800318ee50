"""Label selectors: what they select, and whether one selects nothing that another does not."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from delivery.manifests import Object


class Requirement(NamedTuple):
    key: str
    operator: str  # In, NotIn, Exists or DoesNotExist
    values: frozenset[str]


def requirements(selector: Object | None) -> frozenset[Requirement]:
    """What a selector asks of labels; nothing for {}."""
    return frozenset(_requirements(selector or {}))


def _requirements(selector: Object) -> Iterator[Requirement]:
    for key, value in (selector.get("matchLabels") or {}).items():
        yield Requirement(str(key), "In", frozenset({str(value)}))
    for each in selector.get("matchExpressions") or []:
        yield Requirement(
            str(each.get("key")), str(each.get("operator")), frozenset(map(str, each.get("values") or []))
        )


def selects(selector: Object | None, labels: Mapping[str, Any]) -> bool:
    """Whether a selector selects `labels`; None selects nothing, {} everything."""
    if selector is None:
        return False
    if not selector.get("matchExpressions"):  # as nearly always
        wanted = (selector.get("matchLabels") or {}).items()
        return all(labels.get(str(key)) is not None and str(labels[str(key)]) == str(value) for key, value in wanted)
    return all(holds(each, labels) for each in requirements(selector))


def holds(each: Requirement, labels: Mapping[str, Any]) -> bool:
    value = labels.get(each.key)
    match each.operator:
        case "In":
            return value is not None and str(value) in each.values
        case "NotIn":
            return value is None or str(value) not in each.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    return False


def within(inner: frozenset[Requirement], outer: frozenset[Requirement]) -> bool:
    """Whether all that `inner` selects is selected by `outer`; False too where that is not known."""
    return all(any(implies(mine, theirs) for mine in inner) for theirs in outer)


def implies(one: Requirement, other: Requirement) -> bool:
    if one == other or one.key != other.key:
        return one == other
    match one.operator, other.operator:
        case "In", "In":
            return one.values <= other.values
        case "In", "NotIn":
            return not one.values & other.values
        case "NotIn", "NotIn":
            return one.values >= other.values
    return (one.operator, other.operator) in {("In", "Exists"), ("DoesNotExist", "NotIn")}

"""The objects that an object selects by their labels, found by way of an index."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

from delivery.manifests import Object, dig
from delivery.review.around import Side, namespace_of, selector_of
from delivery.review.dangers import scraping
from delivery.review.selectors import Requirement, holds, requirements

MOST = 20
"""Objects that are looked at for each object of the overlay; what selects the most of them is then left out."""
HOW = {
    "Service": "sends requests to it",
    "PodDisruptionBudget": "limits its disruptions",
    "NetworkPolicy": "controls its traffic",
    "ServiceMonitor": "scrapes it",
    "PodMonitor": "scrapes it",
}
EVERYWHERE = "*"
Labelled = tuple[int, Object]  # the number of an object, and its labels


class Choice(NamedTuple):
    """What is selected: "pods", by their makers, or "Service"; in which namespaces; by which labels."""

    what: str
    namespaces: tuple[str, ...]
    wanted: frozenset[Requirement]


def choices(each: Object) -> Iterator[tuple[str, Choice]]:
    """What an object selects, and what it does with it; "it" is what is selected."""
    kind, home = each["kind"], namespace_of(each)
    if kind not in HOW:
        return
    selector = selector_of(each)
    if kind == "NetworkPolicy":
        yield from ((how, Choice("pods", (home,), requirements(one))) for how, one in peers(each))
    if selector is None:
        return
    namespaces: Collection[str] | None = {home}
    if kind in scraping.MONITORS:
        namespaces = scraping.namespaces(each)
    what = "Service" if kind == "ServiceMonitor" else "pods"
    where = (EVERYWHERE,) if namespaces is None else tuple(sorted(map(str, namespaces)))
    yield HOW[kind], Choice(what, where, requirements(selector))


def peers(policy: Object) -> Iterator[tuple[str, Object]]:
    """Selectors of the pods of its own namespace that a policy lets traffic from or to."""
    for way, field, how in (("ingress", "from", "lets traffic in from it"), ("egress", "to", "lets traffic out to it")):
        for rule in dig(policy, "spec", way) or []:
            for peer in dig(rule, field) or []:
                if dig(peer, "podSelector") and dig(peer, "namespaceSelector") is None:
                    yield how, peer["podSelector"]


class Index:
    """Objects by namespace, and in it by each of their labels."""

    def __init__(self, entries: Iterable[tuple[int, str, Object]]) -> None:
        self.found: dict[tuple[str, ...], list[Labelled]] = defaultdict(list)
        for number, namespace, labels in entries:
            for where in (namespace, EVERYWHERE):
                self.found[where,].append((number, labels))
                for key, value in labels.items():
                    self.found[where, str(key), str(value)].append((number, labels))

    def candidates(self, choice: Choice) -> list[list[Labelled]]:
        """All that a choice can be of, by namespace: what has the rarest of the wanted labels."""
        return [
            min((self.found.get(path, []) for path in paths(where, choice.wanted)), key=len)
            for where in choice.namespaces
        ]


def paths(namespace: str, wanted: Iterable[Requirement]) -> Iterator[tuple[str, ...]]:
    yield (namespace,)
    for each in wanted:
        if each.operator == "In" and len(each.values) == 1:
            yield namespace, each.key, *each.values


def resolve(side: Side, asked: list[tuple[int, str, Choice]]) -> list[tuple[int, str, int]]:
    """Who does what with which object, by their numbers."""
    indexes = {
        "pods": Index((each.number, namespace_of(each.value), each.labels) for each in side.workloads),
        "Service": Index((number, namespace_of(each), labels(each)) for number, each in side.of("Service")),
    }
    candidates = {choice: indexes[choice.what].candidates(choice) for _, _, choice in asked}
    room = MOST * len(side.objects)
    matches: dict[Choice, list[int]] = {}
    found = []
    for number, how, choice in sorted(asked, key=lambda each: sum(map(len, candidates[each[2]]))):
        size = sum(map(len, candidates[choice]))
        if size > room:
            break
        room -= size
        if choice not in matches:
            matches[choice] = [
                other for each in candidates[choice] for other, its in each
                if all(holds(one, its) for one in choice.wanted)
            ]  # fmt: skip
        found += [(number, how, other) for other in matches[choice]]
    return found


def labels(each: Object) -> dict[str, Any]:
    found = dig(each, "metadata", "labels")
    return found if isinstance(found, dict) else {}

"""Which objects of an overlay hang together: by names, by labels, by the metrics that alerts ask for."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from delivery.manifests import Object
from delivery.review.around import BOTH, Around, Name, Side, namespace_of
from delivery.review.links import labels, names, queries
from delivery.review.links.harmless import harmless
from delivery.review.model import Link, Sides

Key = tuple[str, str, str]  # kind, namespace and name


class Edge(NamedTuple):
    """One object uses another, both by the number of their pair."""

    user: int
    how: str
    used: int | Key  # the name of what is not in the overlay


def links(around: Around, changed: set[int]) -> dict[int, tuple[Link, ...]]:
    """The links of the objects with the numbers `changed`. The time grows with the number of objects, not of pairs."""
    if not changed:
        return {}
    sides = around.sides()
    numbers = [{key(each): number for number, each in side.objects} for side in sides]
    found: dict[Edge, set[Name]] = defaultdict(set)
    for name, side, known in zip(BOTH, sides, [numbers, numbers[::-1]], strict=True):
        for edge in edges(side, [*known, {}]):
            found[edge].add(name)
    objects = {number: each for side in sides for number, each in side.objects}
    stays = {number for number, _ in sides[0].objects} & {number for number, _ in sides[1].objects}
    result: dict[int, list[Link]] = defaultdict(list)
    for edge, when in found.items():
        for mine, other, uses in ((edge.user, edge.used, True), (edge.used, edge.user, False)):
            if mine in changed and isinstance(mine, int):
                since: Sides = next(iter(when)) if len(when) == 1 and mine in stays else "both"
                here = isinstance(other, int)
                kind, namespace, named = key(objects[other]) if isinstance(other, int) else other
                result[mine].append(Link(uses, edge.how, kind, namespace, named, here, since))
    return {number: tuple(sorted(each, key=order)) for number, each in result.items()}


def key(each: Object) -> Key:
    return each["kind"], namespace_of(each), each["metadata"]["name"]


def order(link: Link) -> tuple[Any, ...]:
    return not link.uses, link.kind, link.name, link.namespace, link.how


def edges(side: Side, known: list[dict[Key, int]]) -> Iterable[Edge]:
    """The edges of one side; a name is looked for in `known`, the numbers of this side and then of the other."""
    asked = [(number, how, choice) for number, each in side.objects for how, choice in harmless(labels.choices, each)]
    chosen = labels.resolve(side, asked)
    yield from (Edge(number, how, other) for number, how, other in chosen if other != number)
    for number, each in side.objects:
        for name in harmless(names.references, each):
            candidates = [(name.kind, name.namespace, name.name), (name.kind, "", name.name)]
            other = next((one[each] for one in known for each in candidates if each in one), candidates[0])
            if other != number and not (isinstance(other, tuple) and name.optional):
                yield Edge(number, name.how, other)
    for number, other in queries.asked(side, chosen):
        if other != number:
            yield Edge(number, "queries its metrics", other)

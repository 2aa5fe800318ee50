"""Which object of the base became which object of the head."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field

from delivery.manifests import Object, dig
from delivery.review.normal.versions import version
from delivery.yaml_writer import dump

# kustomize's hash: ten characters of hexadecimal digits, the vowels and their like replaced
# Source: sigs.k8s.io/kustomize/api/hasher/hasher.go, encode
HASHED = re.compile(r"(.+)-[2456789bcdfghkmt]{10}\Z")

ALIKE = 0.7  # share of lines in common from which an object is the same one under another name
MOST_COMPARED = 10_000  # pairs; beyond it only names and namespaces are compared


@dataclass
class Source:
    """An object of one side."""

    value: Object
    text: str = field(default="", repr=False)  # the document that it is; "" where that holds others too

    @property
    def group(self) -> str:
        """The API group that has the kind now: the version is only a way to write the same object."""
        return version(self.value).rpartition("/")[0]

    @property
    def kind(self) -> str:
        return str(self.value["kind"])

    @property
    def name(self) -> str:
        return str(self.value["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(dig(self.value, "metadata", "namespace") or "")

    @property
    def stem(self) -> str:
        """The name without kustomize's hash."""
        found = HASHED.match(self.name) if self.kind in {"ConfigMap", "Secret"} else None
        return found[1] if found else self.name


@dataclass(frozen=True)
class Pair:
    """The same object on both sides; None on the side that does not have it."""

    before: Source | None
    after: Source | None

    @property
    def known(self) -> Source:
        found = self.after or self.before
        assert found is not None  # noqa: S101
        return found


def pair(before: list[Source], after: list[Source]) -> list[Pair]:
    """Every object of both sides once, in the head's order, what is gone at the end.

    By name; then without kustomize's hash; then in another namespace; then by what they hold.
    """
    partners: dict[int, Source] = {}  # by id() of the head's object
    gone, new = list(before), list(after)
    keys: list[Callable[[Source], Hashable]] = [
        lambda each: (each.group, each.kind, each.namespace, each.name),
        lambda each: (each.group, each.kind, each.namespace, each.stem),
        lambda each: (each.group, each.kind, each.name),
        lambda each: (each.group, each.kind, each.stem),
    ]
    for key in keys:
        gone, new = match(gone, new, key, partners)
    gone = match_alike(gone, new, partners)
    return [Pair(partners.get(id(each)), each) for each in after] + [Pair(each, None) for each in gone]


def match(
    gone: list[Source], new: list[Source], key: Callable[[Source], Hashable], partners: dict[int, Source]
) -> tuple[list[Source], list[Source]]:
    """Note what has the same key, and return the rest of both sides."""
    waiting: dict[Hashable, list[Source]] = defaultdict(list)
    for each in gone:
        waiting[key(each)].append(each)
    rest = []
    for each in new:
        if candidates := waiting.get(key(each)):
            partners[id(each)] = candidates.pop(0)
        else:
            rest.append(each)
    taken = {id(each) for each in partners.values()}
    return [each for each in gone if id(each) not in taken], rest


def match_alike(gone: list[Source], new: list[Source], partners: dict[int, Source]) -> list[Source]:
    """Note objects of one kind that have most lines in common, the likest first; return what is gone for good."""
    if len(gone) * len(new) > MOST_COMPARED:
        return gone
    old_lines, new_lines = ([lines(each) for each in side] for side in (gone, new))
    scored = [
        (likeness(old_lines[i], new_lines[j]), i, j)
        for i, old in enumerate(gone)
        for j, young in enumerate(new)
        if (old.group, old.kind) == (young.group, young.kind)
    ]
    found: dict[int, int] = {}
    for score, i, j in sorted(scored, key=lambda each: (-each[0], each[1], each[2])):
        if score >= ALIKE and i not in found and j not in found.values():
            found[i] = j
            partners[id(new[j])] = gone[i]
    return [each for i, each in enumerate(gone) if i not in found]


def lines(each: Source) -> Counter[str]:
    """What it holds, without its kind, version, name and namespace."""
    held = {key: value for key, value in each.value.items() if key not in {"apiVersion", "kind", "metadata"}}
    return Counter(dump(held).split("\n")) if held else Counter()


def likeness(one: Counter[str], other: Counter[str]) -> float:
    total = max(one.total(), other.total())
    return (one & other).total() / total if total else 0.0


def sources(documents: Iterable[tuple[str, list[Object]]]) -> list[Source]:
    return [Source(value, text if len(objects) == 1 else "") for text, objects in documents for value in objects]

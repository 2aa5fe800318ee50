"""A review in the order of the page: overlays, their objects, and where each of them is to be found."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

from delivery.review.model import Danger, Link, ObjectChange, OverlayReview, Review
from delivery.review.page.lines import Fold, Hunk, hunks

OPEN = 30_000
"""Characters of diff, in the order of the page, that show without a click."""
MOST_CONTEXT = 2_000_000
"""Characters of objects, in the order of the page, whose unchanged lines unfold."""
MOST_LINKS = 12
"""Links of an object in one direction; the page says how many more there are."""

Key = tuple[str, str, str]  # kind, namespace and name


@dataclass(frozen=True)
class Item:
    """A change with what only the page knows of it."""

    change: ObjectChange
    anchor: str
    open: bool
    unfolds: bool  # whether the lines around its hunks are on the page
    same_as: str  # the overlay above that changes in the same way in its namespace, "" where none does

    @property
    def added(self) -> int:
        return sum(line.startswith("+") for line in self.change.diff)

    @property
    def removed(self) -> int:
        return sum(line.startswith("-") for line in self.change.diff)

    @property
    def hunks(self) -> Iterator[Hunk | Fold]:
        return hunks(self.change.diff, self.change.after if self.unfolds else "")

    def links(self, anchors: dict[Key, str]) -> Iterator[tuple[str, list[tuple[Link, str]], int]]:
        """In each direction, if there are any: its name, the first links, and how many more there are.

        Those to objects of `anchors`, which are on the page, come first, each with its anchor; the others with "".
        """
        for name, uses in (("Uses", True), ("Used by", False)):
            found = [
                (each, anchors.get((each.kind, each.namespace, each.name), ""))
                for each in self.change.links if each.uses == uses
            ]  # fmt: skip
            if found:
                found.sort(key=lambda each: not each[1])
                yield name, found[:MOST_LINKS], max(0, len(found) - MOST_LINKS)


@dataclass(frozen=True)
class Part:
    """An overlay with its changes as items."""

    number: int
    overlay: OverlayReview
    anchor: str
    objects: list[Item] = field(default_factory=list)
    anchors: dict[Key, str] = field(default_factory=dict)

    @property
    def dangers(self) -> int:
        return len(self.overlay.dangers)

    @property
    def blind(self) -> bool:
        """Whether one side could not be rendered, so that nothing was compared."""
        return bool(self.overlay.error_at_base or self.overlay.error_at_head)

    @property
    def quiet(self) -> bool:
        """Whether there is nothing to say beyond its row in the table."""
        said = self.overlay.changes or self.overlay.images or self.overlay.routing or self.overlay.notes
        return not said and self.overlay.status == "kept"


class Anchors:
    """Names of places on the page, each given once: `dev`, `dev/Deployment/taskpulse-api`.

    They are ASCII without white space, and stay the same from one page to the next. The template's own begin with
    `page:`, which no name here does, as `quote` takes the colon away.
    """

    def __init__(self) -> None:
        self.given: set[str] = set()

    def give(self, *path: str) -> str:
        wanted = "/".join(quote(each, safe="/") for each in path)
        found, number = wanted, 1
        while found in self.given:
            number += 1
            found = f"{wanted}~{number}"
        self.given.add(found)
        return found


def arrange(review: Review) -> list[Part]:
    """Each overlay, its dangerous changes first, the first of all open."""
    anchors = Anchors()
    parts = [Part(number, each, anchors.give(each.name)) for number, each in enumerate(review.overlays, 1)]
    seen: dict[object, str] = {}
    shown = context = 0
    for part in parts:
        names = Counter((each.kind, each.name) for each in part.overlay.changes)
        for change in sorted(part.overlay.changes, key=lambda each: not each.dangers):
            lines = tuple(line.replace(f"namespace: {change.namespace}", "namespace:") for line in change.diff)
            same_as = seen.setdefault((change.kind, change.name, change.verb, lines), part.overlay.name)
            same_as = "" if same_as == part.overlay.name else same_as
            shown += 0 if same_as else sum(map(len, change.diff))
            context += len(change.after) if change.before else 0
            where = [change.namespace] if names[change.kind, change.name] > 1 else []
            anchor = anchors.give(part.overlay.name, change.kind, *where, change.name)
            unfolds = bool(change.before) and context <= MOST_CONTEXT
            part.objects.append(Item(change, anchor, not same_as and shown <= OPEN, unfolds, same_as))
            part.anchors.setdefault((change.kind, change.namespace, change.name), anchor)
    return parts


def kinds(parts: Iterable[Part]) -> dict[str, int]:
    """The kinds of the objects on the page, and how many there are of each."""
    return dict(sorted(Counter(item.change.kind for part in parts for item in part.objects).items()))


def gather(parts: list[Part]) -> dict[tuple[Danger, str, str], list[tuple[Part, Item]]]:
    """Where each danger is; one that several overlays share stands once."""
    found: dict[tuple[Danger, str, str], list[tuple[Part, Item]]] = {}
    for part in parts:
        for item in part.objects:
            for danger in item.change.dangers:
                found.setdefault((danger, item.change.kind, item.change.name), []).append((part, item))
    return found

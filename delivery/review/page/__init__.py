"""The page of a review: one HTML file without script, network or foreign markup, to be looked at in a browser."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from delivery.review.model import VERBS, Danger, ObjectChange, OverlayReview, Review
from delivery.review.page.lines import Fold, Hunk, hunks
from delivery.review.page.visible import visible

HERE = Path(__file__).parent
OPEN = 30_000
"""Characters of diff, in the order of the page, that show without a click."""


@dataclass(frozen=True)
class Item:
    """A change with what only the page knows of it."""

    change: ObjectChange
    anchor: str
    open: bool
    same_as: str  # the overlay above that changes in the same way in its namespace, "" where none does

    @property
    def added(self) -> int:
        return sum(line.startswith("+") for line in self.change.diff)

    @property
    def removed(self) -> int:
        return sum(line.startswith("-") for line in self.change.diff)

    @property
    def hunks(self) -> Iterator[Hunk | Fold]:
        return hunks(self.change.diff)


@dataclass(frozen=True)
class Part:
    """An overlay with its changes as items."""

    overlay: OverlayReview
    anchor: str
    objects: list[Item] = field(default_factory=list)

    @cached_property
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


def page(review: Review) -> str:
    """The review as one HTML document; the same review gives the same bytes."""
    style = (HERE / "page.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    parts = list(arrange(review))
    return template().render(
        review=review,
        parts=parts,
        verbs=VERBS,
        dangers=gather(parts),
        errors=any(part.blind for part in parts),
        style=Markup(style),  # noqa: S704 - a file of ours
        digest=digest,
    )


@cache
def template() -> Template:
    """The template of the page; to compile it takes longer than to render most reviews."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["visible"] = visible
    return environment.get_template("page.html")


def arrange(review: Review) -> Iterator[Part]:
    """Each overlay, its dangerous changes first, the first of all open."""
    seen: dict[object, str] = {}
    shown = 0
    for position, overlay in enumerate(review.overlays, 1):
        part = Part(overlay, f"overlay-{position}")
        for number, change in enumerate(sorted(overlay.changes, key=lambda each: not each.dangers), 1):
            lines = tuple(line.replace(f"namespace: {change.namespace}", "namespace:") for line in change.diff)
            same_as = seen.setdefault((change.kind, change.name, change.verb, lines), overlay.name)
            same_as = "" if same_as == overlay.name else same_as
            shown += 0 if same_as else sum(map(len, change.diff))
            is_open = not same_as and shown <= OPEN
            part.objects.append(Item(change, f"change-{position}-{number}", is_open, same_as))
        yield part


def gather(parts: list[Part]) -> dict[tuple[Danger, str, str], list[tuple[Part, Item]]]:
    """Where each danger is; one that several overlays share stands once."""
    found: dict[tuple[Danger, str, str], list[tuple[Part, Item]]] = {}
    for part in parts:
        for item in part.objects:
            for danger in item.change.dangers:
                found.setdefault((danger, item.change.kind, item.change.name), []).append((part, item))
    return found

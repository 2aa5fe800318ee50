"""What a review says. Every text here is masked: no Secret's value is in it."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["kept", "added", "removed"]
Sides = Literal["both", "before", "after"]
Verb = Literal["created", "changed", "recreated", "deleted", "rewritten"]

Since = Literal["head", "base", "unknown"]
SINCE: dict[Since, str] = {
    "head": "New in this change",
    "unknown": "New or not is unknown, as the base does not render",
    "base": "Already at the base",
}
VERBS: tuple[Verb, ...] = ("created", "changed", "recreated", "deleted")
"""What happens in the cluster; of an object that is only rewritten, nothing does."""
REWRITTEN = "written differently, the same object"


@dataclass(frozen=True)
class Acceptance:
    """That somebody with write access has accepted a warning; it stays all the same."""

    by: tuple[str, ...]  # who wrote the pull request's text, the author first
    reason: str  # text of a stranger


@dataclass(frozen=True)
class Danger:
    """One thing that a reviewer should not overlook."""

    kind: str  # short and fixed, such as "deletion" or "exposure": for a badge
    sentence: str  # plain text, what changes and why that is dangerous
    accepted: tuple[Acceptance, ...] = ()


@dataclass(frozen=True)
class Link:
    """Another object of the overlay that a changed object hangs together with."""

    uses: bool  # whether the changed object uses the other one, else the other uses it
    how: str  # such as "reads it", where "it" is the one that is used
    kind: str
    namespace: str  # "" where it has none
    name: str  # as at head; as at base where it is deleted
    here: bool  # whether the overlay holds it
    since: Sides  # the sides on which it is so; "both" where one object is on one only


@dataclass(frozen=True)
class ObjectChange:
    """One object that differs between base and head."""

    overlay: str
    verb: Verb
    kind: str
    api_version: str
    namespace: str  # "" where it has none
    name: str  # as at head; as at base where it is deleted
    renamed_from: str  # "" where the name stays; the old name of a hash-suffixed ConfigMap or Secret too
    before: str  # normalised YAML; "" where created
    after: str  # normalised YAML; "" where deleted
    diff: tuple[str, ...]  # lines of a unified diff without line ends: "@@ ...", " ...", "-...", "+..."
    dangers: tuple[Danger, ...] = ()
    links: tuple[Link, ...] = ()

    @property
    def what(self) -> str:
        """What happens to it, in words."""
        return REWRITTEN if self.verb == "rewritten" else self.verb


@dataclass(frozen=True)
class ImageChange:
    """A container image that an overlay uses at one commit only; the reference without tag or digest is `name`."""

    name: str
    before: str  # "" where it is new
    after: str  # "" where it is gone
    ours: bool  # the service's own image


@dataclass(frozen=True)
class Refusal:
    """A sentence for which `validate` fails at head."""

    checks: tuple[str, ...]  # names of rules or schemas
    sentence: str  # plain text
    since: Since


@dataclass(frozen=True)
class OverlayReview:
    """One overlay (or the monitoring chart, named "chart-dev" and so on) at both commits."""

    name: str
    status: Status
    changes: tuple[ObjectChange, ...] = ()
    images: tuple[ImageChange, ...] = ()
    routing: tuple[str, ...] = ()  # plain sentences: who receives which severity, before and after, where that changes
    error_at_base: str = ""  # why it does not render there, "" where it does
    error_at_head: str = ""
    notes: tuple[str, ...] = ()  # plain sentences, such as that the chart was not rendered and why
    refusals: tuple[Refusal, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether something happens to an object in the cluster."""
        return any(each.verb != "rewritten" for each in self.changes)

    def count(self, verb: Verb) -> int:
        return sum(change.verb == verb for change in self.changes)

    @property
    def dangers(self) -> tuple[tuple[ObjectChange, Danger], ...]:
        return tuple((change, danger) for change in self.changes for danger in change.dangers)


@dataclass(frozen=True)
class Review:
    """What changes from the merge-base to head. Commits are full hexadecimal names."""

    base: str  # the commit that --base named
    head: str
    merge_base: str  # what head is compared with
    overlays: tuple[OverlayReview, ...] = ()
    beside: tuple[str, ...] = ()  # plain sentences: what else takes effect, such as another image
    notes: tuple[str, ...] = ()  # plain sentences: what is not looked at
    unseen: bool = False  # whether something of that changes
    not_accepted: tuple[str, ...] = ()  # sentences about lines of the pull request's text that accept nothing
    lines: str = ""  # the digest of those lines; "" where the text was not read

    @property
    def changed(self) -> bool:
        return any(
            each.changed or each.status != "kept" or each.error_at_base or each.error_at_head for each in self.overlays
        )

    @property
    def refused(self) -> dict[Refusal, list[str]]:
        """What validate refuses, each sentence once, with the names of its overlays."""
        found: dict[Refusal, list[str]] = {}
        for overlay in self.overlays:
            for each in overlay.refusals:
                found.setdefault(each, []).append(overlay.name)
        return found

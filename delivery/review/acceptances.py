"""Lines in a pull request's text that accept a warning. They change words alone: the warning stays, and counts.

delivery: accepted [OVERLAY] KIND/[NAMESPACE/]NAME WARNING, because REASON
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from delivery.review.model import Acceptance, Danger, ObjectChange, OverlayReview, Review

if TYPE_CHECKING:
    from markdown_it.token import Token

FORM = "delivery: accepted KIND/NAME WARNING, because REASON"
LONGEST = 200  # characters of a line that is repeated
PREFIX = re.compile(r"delivery:", re.IGNORECASE)
ACCEPTED = re.compile(
    r"accepted (?:(?P<overlay>[^ ,]+) )?(?P<kind>[^ /,]+)/(?:(?P<namespace>[^ /,]+)/)?(?P<name>[^ /,]+)"
    r" (?P<warning>[^,/]*?[^,/ :])[,:]?(?: because\b[:,]? ?(?P<reason>.*))?",
    re.IGNORECASE,
)


class Text(NamedTuple):
    """The text of a pull request."""

    body: str = ""
    by: tuple[str, ...] = ()  # who wrote it: the author first
    refusal: str = ""  # why its lines do not count, "" where they do
    error: str = ""  # why it is not known


@dataclass(frozen=True)
class Line:
    """A line that a reader sees to begin with `delivery:`."""

    text: str
    overlay: str = ""  # "" for every overlay
    kind: str = ""
    namespace: str = ""  # "" for every namespace
    name: str = ""
    warning: str = ""  # the text of a badge
    reason: str = ""
    problem: str = ""  # why it cannot be read, "" where it can

    def names(self, overlay: OverlayReview, change: ObjectChange) -> bool:
        """Whether it speaks of an object."""
        return (
            self.within(overlay)
            and (self.kind.casefold(), self.name) == (change.kind.casefold(), change.name)
            and self.namespace in {"", change.namespace}
        )

    def within(self, overlay: OverlayReview) -> bool:
        return self.overlay in {"", overlay.name, f"overlays/{overlay.name}"}

    def accepts(self, danger: Danger) -> bool:
        """Whether a warning of the object is one that it accepts."""
        return plain(self.warning) == plain(danger.kind)


def lines(text: str) -> list[Line]:
    """The lines of a Markdown text that begin with `delivery:`, as read by somebody who sees it rendered.

    What is quoted, struck out, in a block or span of code or in an HTML comment is none.
    """
    shown = (" ".join(each.split()) for each in visible_lines(text))
    return [read(each[found.end() :].lstrip()) for each in shown if (found := PREFIX.match(each))]


def digest(text: str) -> str:
    """Tells whether two texts have the same lines."""
    return digest_of(lines(text))


def digest_of(found: Sequence[Line]) -> str:
    return hashlib.sha256("\n".join(each.text for each in found).encode()).hexdigest()[:16]


def visible_lines(text: str) -> Iterator[str]:
    from markdown_it import MarkdownIt  # takes longer to import than most reviews may cost

    quotes = 0
    for token in MarkdownIt("commonmark").enable("strikethrough").parse(text):
        if token.type in {"blockquote_open", "blockquote_close"}:
            quotes += token.nesting
        elif token.type == "inline" and not quotes:
            yield from inline_lines(token.children or [])


def inline_lines(tokens: "Sequence[Token]") -> Iterator[str]:
    """Lines of a paragraph without marks; one that begins as code is empty."""
    line, struck, is_code = "", 0, False
    for token in tokens:
        if token.type in {"s_open", "s_close"}:
            struck += token.nesting
        elif token.type in {"softbreak", "hardbreak"}:
            yield line
            line, is_code = "", False
        elif token.type in {"text", "code_inline"} and not struck and not is_code:
            is_code = token.type == "code_inline" and not line.strip()
            line += "" if is_code else token.content
    yield line


def read(text: str) -> Line:
    """What stands behind `delivery:` in one line."""
    found = ACCEPTED.fullmatch(text)
    if not found:
        return Line(text, problem=f"is not understood: write “{FORM}”.")
    if not re.search(r"\w", found["reason"] or ""):
        return Line(text, problem="gives no reason: write “, because” and the reason at its end.")
    return Line(text, **{key: value or "" for key, value in found.groupdict().items()})


def apply(review: Review, text: Text) -> Review:
    """The review with what the text of its pull request accepts."""
    if text.error:
        return replace(review, not_accepted=(f"The text of the pull request was not read: {text.error}",))
    found = lines(text.body)
    review = replace(review, lines=digest_of(found))
    if found and text.refusal:
        return replace(review, not_accepted=(f"No line of the pull request's text counts: {text.refusal}",))
    return accept(review, found, text.by)


def accept(review: Review, found: Sequence[Line], by: tuple[str, ...]) -> Review:
    """The review with warnings marked by the lines that accept them, and a sentence about each that accepts none."""
    used: set[int] = set()

    def marked(overlay: OverlayReview, change: ObjectChange) -> ObjectChange:
        here = [(number, each) for number, each in enumerate(found) if each.name and each.names(overlay, change)]
        if not here:
            return change
        dangers = []
        for danger in change.dangers:
            fitting = [(number, each) for number, each in here if each.accepts(danger)]
            used.update(number for number, _ in fitting)
            accepted = dict.fromkeys(Acceptance(by, each.reason) for _, each in fitting)
            dangers.append(replace(danger, accepted=tuple(accepted)))
        return replace(change, dangers=tuple(dangers))

    overlays = tuple(
        replace(each, changes=tuple(marked(each, change) if change.dangers else change for change in each.changes))
        for each in review.overlays
    )
    unused = [each for number, each in enumerate(found) if number not in used]
    sentences = dict.fromkeys(f"“{shortened(each.text)}” {each.problem or nothing(review, each)}" for each in unused)
    return replace(review, overlays=overlays, not_accepted=tuple(sentences))


def nothing(review: Review, line: Line) -> str:
    """Why a line accepts nothing."""
    named = f"{line.kind}/{line.name}"
    overlays = [each for each in review.overlays if line.within(each)]
    where = f" in {line.overlay}" if line.overlay else ""
    if not overlays:
        return f"accepts nothing: there is no overlay {line.overlay}."
    if blind := [each.name for each in overlays if each.error_at_base or each.error_at_head]:
        why = "does not render, so its" if len(blind) == 1 else "do not render, so their"
        return f"accepts nothing: {', '.join(blind)} {why} warnings are unknown."
    kinds = {
        danger.kind: None
        for each in overlays
        for change in each.changes
        if line.names(each, change)
        for danger in change.dangers
    }
    if kinds:
        return f"accepts nothing: the warnings of {named}{where} are {', '.join(kinds)}."
    return f"accepts nothing: {named} has no warning{where}."


def shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def plain(warning: str) -> str:
    return " ".join(warning.split()).casefold()

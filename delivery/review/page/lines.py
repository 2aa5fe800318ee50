"""A unified diff as HTML: a heading per hunk that says where it is, words within a changed line marked."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from delivery.review.model import Change
from delivery.review.page.visible import visible
from delivery.review.page.where import paths
from delivery.review.page.words import Part, marked

CHUNK = 100
"""Lines that the browser lays out at once, as they come into view."""
HEADER = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
MARKS = {"+": ("add", "ins"), "-": ("cut", "del"), " ": ("same", "span")}


@dataclass
class Hunk:
    """Lines between two `@@`, and the first changed one's number: on the added side, or the removed one."""

    lines: list[str] = field(default_factory=list)
    number: int = 1
    side: str = "+"


@dataclass(frozen=True)
class Section:
    """A hunk as the page shows it."""

    where: str  # path of what the first changed line is in; "" at the top of the object
    line: int
    chunks: list[Markup]


def sections(change: Change) -> Iterator[Section]:
    """The hunks of a change."""
    hunks = list(split(change.diff))
    places = {
        side: paths(text, {hunk.number for hunk in hunks if hunk.side == side})
        for side, text in (("+", change.after), ("-", change.before))
    }
    for hunk in hunks:
        yield Section(places[hunk.side].get(hunk.number, ""), hunk.number, list(chunks(hunk.lines)))


def split(diff: Sequence[str]) -> Iterator[Hunk]:
    """Hunks of a unified diff, with or without file names above it."""
    hunk: Hunk | None = None
    for line in diff:
        if header := HEADER.match(line):
            if hunk:
                yield hunk
            hunk, numbers, seen = Hunk(), {"-": int(header[1]), "+": int(header[2])}, False
        elif hunk:
            hunk.lines.append(line)
            side = line[:1]
            if side in numbers and not seen:
                hunk.number, hunk.side, seen = numbers[side], side, True
            for each in numbers:
                numbers[each] += side in (" ", each)
    if hunk:
        yield hunk


def chunks(lines: list[str]) -> Iterator[Markup]:
    rendered = list(rows(lines))
    for start in range(0, len(rendered), CHUNK):
        yield Markup("").join(rendered[start : start + CHUNK])


def rows(lines: list[str]) -> Iterator[Markup]:
    """Each line, its words marked where a run of removed lines is followed by one of added lines."""
    at = 0
    while at < len(lines):
        cut = run(lines, at, "-")
        add = run(lines, at + len(cut), "+")
        if not cut and not add:
            yield row(lines[at][:1] or " ", [(lines[at][1:], False)])
            at += 1
            continue
        before, after = marked(cut, add)
        yield from (row("-", parts) for parts in before)
        yield from (row("+", parts) for parts in after)
        at += len(cut) + len(add)


def run(lines: list[str], at: int, sign: str) -> list[str]:
    """Text of the lines from `at` on that begin with `sign`."""
    end = at
    while end < len(lines) and lines[end].startswith(sign):
        end += 1
    return [line[1:] for line in lines[at:end]]


def row(sign: str, parts: list[Part]) -> Markup:
    style, element = MARKS.get(sign, MARKS[" "])
    shown = Markup("").join(
        Markup("<{0}>{1}</{0}>").format(element, visible(text)) if differs else visible(text) for text, differs in parts
    )
    return Markup('<div class="{}"><b>{}</b>{}</div>').format(style, sign, shown)

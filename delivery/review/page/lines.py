"""A unified diff as HTML: a heading per hunk that says where it is, words within a changed line marked."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from delivery.review.page.visible import visible
from delivery.review.page.words import Part, marked

CHUNK = 100
"""Lines that the browser lays out at once, as they come into view."""
HEADER = re.compile(r"@@ -[\d,]+ \+(\d+)(?:,\d+)? @@ ?(.*)$")
MARKS = {"+": ("add", "ins"), "-": ("cut", "del"), " ": ("same", "span")}


@dataclass(frozen=True)
class Section:
    """A hunk as the page shows it."""

    where: str  # path of what the first changed line is in; "" at the top of the object
    line: int  # where it starts, at head
    chunks: list[Markup]


def sections(diff: Sequence[str]) -> Iterator[Section]:
    """The hunks of a unified diff."""
    starts = [number for number, line in enumerate(diff) if HEADER.match(line)]
    for start, end in pairwise([*starts, len(diff)]):
        if header := HEADER.match(diff[start]):
            yield Section(header[2], int(header[1]), list(chunks(diff[start + 1 : end])))


def chunks(lines: Sequence[str]) -> Iterator[Markup]:
    rendered = list(rows(lines))
    for start in range(0, len(rendered), CHUNK):
        yield Markup("").join(rendered[start : start + CHUNK])


def rows(lines: Sequence[str]) -> Iterator[Markup]:
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


def run(lines: Sequence[str], at: int, sign: str) -> list[str]:
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

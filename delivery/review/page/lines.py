"""A diff as HTML: its hunks, words within a changed line marked, and between them the lines that do not change."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from delivery.review.page.visible import HARMLESS, visible
from delivery.review.page.words import marked

CHUNK = 100
"""Lines that the browser lays out at once, as they come into view."""
MOST_UNFOLDED = 200
"""Lines of a longer run that unfold, half of them at each end."""
HEADER = re.compile(r"@@ -[\d,]+ \+(\d+)(?:,(\d+))? @@ ?(.*)$")
STYLES = {"+": "add", "-": "cut", " ": "same"}


@dataclass(frozen=True)
class Hunk:
    """Lines that change, with those around them."""

    where: str  # path of what the first changed line is in; "" at the top of the object
    line: int  # where it starts, at head
    chunks: list[Markup]


@dataclass(frozen=True)
class Fold:
    """Lines that do not change, between hunks and around them."""

    size: int  # lines
    start: Markup
    left_out: int  # lines after `start` that are not on the page
    end: Markup


def hunks(diff: Sequence[str], after: str = "") -> Iterator[Hunk | Fold]:
    """A unified diff; with the text at head also the lines of it that the diff leaves out."""
    starts = [number for number, line in enumerate(diff) if line.startswith("@@")]
    whole = after.removesuffix("\n").split("\n") if after else []
    done = 0  # lines of `whole`
    for start, end in pairwise([*starts, len(diff)]):
        if header := HEADER.match(diff[start]):
            length = 1 if header[2] is None else int(header[2])
            first = int(header[1]) - (1 if length else 0)  # an empty range names the line before it
            if whole[done:first]:
                yield fold(whole[done:first])
            done = first + length
            yield Hunk(header[3], int(header[1]), list(chunks(diff[start + 1 : end])))
    if whole[done:]:
        yield fold(whole[done:])


def fold(lines: list[str]) -> Fold:
    left_out = max(0, len(lines) - MOST_UNFOLDED)
    middle = len(lines) if not left_out else MOST_UNFOLDED // 2
    return Fold(len(lines), unchanged(lines[:middle]), left_out, unchanged(lines[middle + left_out :]))


def unchanged(lines: list[str]) -> Markup:
    """Lines that are on both sides."""
    return Markup("".join(f"<div>{escaped(line)}</div>" for line in lines))  # noqa: S704 - escaped


def chunks(lines: Sequence[str]) -> Iterator[Markup]:
    rendered = list(rows(lines))
    for start in range(0, len(rendered), CHUNK):
        yield Markup("".join(rendered[start : start + CHUNK]))  # noqa: S704 - rows are HTML


def rows(lines: Sequence[str]) -> Iterator[str]:
    """Each line as HTML, its words marked where a run of removed lines is followed by one of added lines."""
    at = 0
    while at < len(lines):
        cut = run(lines, at, "-")
        add = run(lines, at + len(cut), "+")
        if not cut and not add:
            yield row(lines[at][:1] or " ", escaped(lines[at][1:]))
            at += 1
            continue
        before, after = marked(cut, add)
        for sign, element, both in (("-", "del", before), ("+", "ins", after)):
            yield from (row(sign, "".join(word(element, *part) for part in parts)) for parts in both)
        at += len(cut) + len(add)


def run(lines: Sequence[str], at: int, sign: str) -> list[str]:
    """Text of the lines from `at` on that begin with `sign`."""
    end = at
    while end < len(lines) and lines[end].startswith(sign):
        end += 1
    return [line[1:] for line in lines[at:end]]


def word(element: str, text: str, differs: bool) -> str:
    return f"<{element}>{escaped(text)}</{element}>" if differs else escaped(text)


def escaped(text: str) -> str:
    """As `visible`, for the hundreds of thousands of lines that need nothing done."""
    return text if HARMLESS.fullmatch(text) else str(visible(text))


def row(sign: str, html: str) -> str:
    return f'<div class="{STYLES.get(sign, "same")}"><b>{escaped(sign)}</b>{html}</div>'

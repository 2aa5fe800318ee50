"""Tables for people: aligned, as wide as a terminal, and without anything that a terminal would obey."""

import unicodedata
from collections.abc import Sequence

from app.client.output import printable

GAP = "  "
LEAST = 10
"""Columns that the last cell of a row has at least, however narrow the terminal is."""


def width_of(text: str) -> int:
    """Return how many columns of a terminal a text takes: East Asian letters two, combining ones none (UAX #11)."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def shortened(text: str, width: int) -> str:
    """Return a text that takes `width` columns at most; where letters are left out, it ends in an ellipsis."""
    if width_of(text) <= width:
        return text
    kept = ""
    for letter in text:
        if width_of(kept + letter) > width - 1:
            break
        kept += letter
    return f"{kept}…"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Return the lines of a table; cells of the last column are shortened so that a line fits `width` columns."""
    cells = [list(headings), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(map(width_of, column)) for column in zip(*cells, strict=True)]
    rest = max(LEAST, width - sum(each + len(GAP) for each in widths[:-1]))
    lines = []
    for row in cells:
        padded = [cell + " " * (space - width_of(cell)) for cell, space in zip(row[:-1], widths[:-1], strict=True)]
        lines.append(GAP.join([*padded, shortened(row[-1], rest)]).rstrip())
    return lines


def details(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Return a line for each name and value; further lines of a value are indented."""
    indent = max(len(name) for name, _ in pairs) + 1 + len(GAP)
    lines = []
    for name, value in pairs:
        first, *others = (printable(line.removesuffix("\r").expandtabs(4)) for line in value.split("\n"))
        lines.append(f"{name}:".ljust(indent) + first)
        lines += [(" " * indent + line).rstrip() for line in others]
    return lines

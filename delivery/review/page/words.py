"""What differs within a changed line. The cost is bounded: what is too large is not marked, and still shown."""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher

LINES = 200
"""Longest run of removed or added lines in which pairs are looked for."""
CHARACTERS = 2_000
"""Longest line that is taken to words."""
TOKENS = 200
"""Most words and signs of a line that are compared; the time grows with their square."""
ALIKE = 0.4
"""Share of a pair that must be equal; below it, marks are confetti."""

TOKEN = re.compile(r"\w+|\s+|[^\w\s]")

Part = tuple[str, bool]
"""Some text of a line, and whether only this side has it."""


def marked(removed: list[str], added: list[str]) -> tuple[list[list[Part]], list[list[Part]]]:
    """Lines of a removed run and of the added run that follows it, as parts."""
    before = [[(line, False)] for line in removed]
    after = [[(line, False)] for line in added]
    for old, new in pairs(removed, added):
        if parts := compare(removed[old], added[new]):
            before[old], after[new] = parts
    return before, after


def pairs(removed: list[str], added: list[str]) -> Iterator[tuple[int, int]]:
    """Which removed line became which added one: by place where both are as many, else by key."""
    if not removed or not added or max(len(removed), len(added)) > LINES:
        return
    if len(removed) == len(added):
        yield from zip(range(len(removed)), range(len(added)), strict=True)
        return
    before, after = ([line.partition(":")[0] for line in lines] for lines in (removed, added))
    for block in SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks():
        yield from ((block.a + step, block.b + step) for step in range(block.size))


def compare(old: str, new: str) -> tuple[list[Part], list[Part]] | None:
    """Both lines as parts, or None where they are too long or have too little in common."""
    if max(len(old), len(new)) > CHARACTERS:
        return None
    a, b = TOKEN.findall(old), TOKEN.findall(new)
    if max(len(a), len(b)) > TOKENS:
        return None
    start, end = shared(a, b)
    left, right = a[start : len(a) - end], b[start : len(b) - end]
    codes = opcodes(left, right)
    alike = start + end + sum(a2 - a1 for equal, a1, a2, _, _ in codes if equal)
    if 2 * alike < ALIKE * (len(a) + len(b)):
        return None
    before = [("".join(left[a1:a2]), not equal) for equal, a1, a2, _, _ in codes if a1 < a2]
    after = [("".join(right[b1:b2]), not equal) for equal, _, _, b1, b2 in codes if b1 < b2]
    first = [("".join(a[:start]), False)] if start else []
    last = [("".join(a[len(a) - end :]), False)] if end else []
    return [*first, *before, *last], [*first, *after, *last]


def opcodes(left: list[str], right: list[str]) -> list[tuple[bool, int, int, int, int]]:
    """Which tokens are equal, and which replace others, as difflib gives them."""
    if max(len(left), len(right)) < 2:  # as in most lines
        return [(False, 0, len(left), 0, len(right))]
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    return [(tag == "equal", a1, a2, b1, b2) for tag, a1, a2, b1, b2 in matcher.get_opcodes()]


def shared(a: list[str], b: list[str]) -> tuple[int, int]:
    """How many tokens both start with, and how many of the rest both end with."""
    most = min(len(a), len(b))
    start = next((at for at in range(most) if a[at] != b[at]), most)
    end = next((at for at in range(most - start) if a[-1 - at] != b[-1 - at]), most - start)
    return start, end

"""A unified diff of two texts, with the place in the object behind each hunk's line numbers."""

import re
from difflib import SequenceMatcher
from itertools import pairwise

CONTEXT = 3  # lines
MOST_COMPARED = 20_000  # lines that differ; beyond it all of them are shown as gone and new

KEY = re.compile(r"( *)((?:- )*)([A-Za-z0-9_./-]+):(?: |$)")


def unified(before: str, after: str) -> tuple[str, ...]:
    """Lines of a unified diff, without file names and line ends; none where the texts are equal."""
    old, new = ([] if not text else text.removesuffix("\n").split("\n") for text in (before, after))
    result: list[str] = []
    for group in grouped(opcodes(old, new)):
        first, last = group[0], group[-1]
        changed = next(each for each in group if each[0] != "equal")
        place = path(new, changed[3]) if new else path(old, changed[1])
        spans = f"@@ -{span(first[1], last[2])} +{span(first[3], last[4])} @@"
        result.append(f"{spans} {place}".rstrip())
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                result += [f" {line}" for line in old[i1:i2]]
            else:
                result += [f"-{line}" for line in old[i1:i2]]
                result += [f"+{line}" for line in new[j1:j2]]
    return tuple(result)


Opcode = tuple[str, int, int, int, int]


def opcodes(old: list[str], new: list[str]) -> list[Opcode]:
    """difflib's opcodes; what both texts start and end with is set aside first, as it is most of them."""
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    left, right = old[start : len(old) - end], new[start : len(new) - end]
    if len(left) + len(right) > MOST_COMPARED:
        middle: list[Opcode] = [("replace", 0, len(left), 0, len(right))]
    else:
        middle = list(SequenceMatcher(None, left, right, autojunk=max(len(left), len(right)) > 2000).get_opcodes())
    result: list[Opcode] = [("equal", 0, start, 0, start)] if start else []
    result += [(tag, i1 + start, i2 + start, j1 + start, j2 + start) for tag, i1, i2, j1, j2 in middle]
    if end:
        result.append(("equal", len(old) - end, len(old), len(new) - end, len(new)))
    return [each for each, following in pairwise([*result, None]) if each]


def grouped(codes: list[Opcode]) -> list[list[Opcode]]:
    """Hunks: changes with at most CONTEXT equal lines around them. As difflib's get_grouped_opcodes."""
    matcher: SequenceMatcher[str] = SequenceMatcher()
    matcher.opcodes = codes  # type: ignore[attr-defined]
    return (
        [list(group) for group in matcher.get_grouped_opcodes(CONTEXT)] if any(c[0] != "equal" for c in codes) else []
    )


def span(start: int, end: int) -> str:
    """A range of lines as `diff -u` writes it."""
    length = end - start
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"


def path(lines: list[str], index: int) -> str:
    """The keys that lead to a line, such as `spec.template.spec`."""
    index = min(index, len(lines) - 1)
    depth = len(lines[index]) - len(lines[index].lstrip(" "))
    if lines[index].lstrip(" ").startswith("- "):
        depth += 1  # the list's key stands at the same depth
    keys: list[str] = []
    for line in reversed(lines[:index]):
        if not depth:
            break
        found = KEY.match(line)
        if not found or len(found[1]) >= depth:
            continue
        if len(found[1] + found[2]) < depth:  # else it is the first key of the list item that the line is in
            keys.append(found[3])
        depth = len(found[1]) + (1 if found[2] else 0)
    return ".".join(reversed(keys))

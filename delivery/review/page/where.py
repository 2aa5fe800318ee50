"""Where in an object a line stands, so that a reader of a diff need not count indents."""

import re

KEY = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s"'#\[{&*!|>%@`-][^#]*?|-[^\s].*?)\s*:(?:\s|$)""")
BLOCK = re.compile(r"(?:^|[\s:])[|>][+-]?[1-9]?[+-]?$")


def paths(text: str, wanted: set[int]) -> dict[int, str]:
    """Paths such as `spec.containers[0]` of what encloses each of the `wanted` lines (from 1) of block-style YAML."""
    found: dict[int, str] = {}
    stack: list[tuple[int, str, int]] = []  # indent, key ("" for an item of a list), position in that list
    block: int | None = None  # indent of the key whose literal or folded text goes on
    for number, line in enumerate(text.split("\n"), 1):
        body = line.lstrip(" ")
        indent = len(line) - len(body)
        if block is not None and (indent > block or not body):
            if number in wanted:
                found[number] = path(stack)
            continue
        block = None
        indent, body = items(stack, indent, body)
        while stack and stack[-1][0] >= indent:
            stack.pop()
        if number in wanted:
            found[number] = path(stack)
        if key := KEY.match(body):
            stack.append((indent, key[1], 0))
        if BLOCK.search(body):
            block = stack[-1][0] if stack else 0
    return found


def items(stack: list[tuple[int, str, int]], indent: int, body: str) -> tuple[int, str]:
    """Enter the list items that a line opens with `- `; return indent and text of what follows them."""
    while body == "-" or body.startswith("- "):
        position = 0
        while stack and (stack[-1][0] > indent or (stack[-1][0] == indent and not stack[-1][1])):
            last = stack.pop()
            position = last[2] + 1 if last[0] == indent else position
        stack.append((indent, "", position))
        rest = body[1:].lstrip(" ")
        indent += len(body) - len(rest)
        body = rest
    return indent, body


def path(stack: list[tuple[int, str, int]]) -> str:
    return "".join(f".{key}" if key else f"[{position}]" for _, key, position in stack).removeprefix(".")

"""Foreign text in GitHub's Markdown: it can neither end what it stands in, nor link, nor call anybody."""

import re

from delivery.yaml_writer import HIDDEN, escaped

LONGEST = 200  # characters of a name
MARK = re.compile(
    r"[]!\"&$*+<>\[\\^_`{|}~@]|:(?=//|[\w+-]+:)|(?<=www)\.|#(?=\d)|(?<=\bgh)-(?=\d)", re.IGNORECASE
)  # what Markdown reads as a mark, and what GitHub makes a link, a mention, an issue or an emoji of
CALLS = re.compile(r"&#(64|35|45|58);")  # of these, what GitHub looks for after the entities are read


def visible(text: str, longest: int = LONGEST) -> str:
    """One line, with hidden characters spelt out, cut at `longest`."""
    line = (
        escaped(text.replace("\\", "\\\\") if HIDDEN.search(text) else text).replace("\n", "\\n").replace("\t", "\\t")
    )
    return line if len(line) <= longest else line[: longest - 1] + "…"


def code(text: str) -> str:
    """A name in the font of code, also within a table and within HTML."""
    return f"<code>{prose(text, LONGEST)}</code>"


def prose(text: str, longest: int = 2000) -> str:
    """A sentence that may hold names: no mark, link, mention, number of an issue or emoji is left in it."""
    return CALLS.sub("\\g<0>&#8203;", marks(visible(text, longest)))


def marks(text: str) -> str:
    """The text with all that Markdown or HTML reads as a mark spelt as an entity."""
    return MARK.sub(lambda found: f"&#{ord(found[0])};", text)


def fence(lines: tuple[str, ...], language: str) -> str:
    """A fenced block that no line of its content ends."""
    content = "\n".join(escaped(line) for line in lines)
    ticks = "`" * (max([2, *map(len, re.findall(r"`+", content))]) + 1)
    return f"{ticks}{language}\n{content}\n{ticks}"

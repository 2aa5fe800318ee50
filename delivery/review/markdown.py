"""Foreign text in GitHub's Markdown: it can neither end what it stands in, nor link, nor call anybody."""

import re

from delivery.review.yaml_text import HIDDEN, escaped

LONGEST = 200  # characters of a name
MARK = re.compile(r"[]!\"&$*+<>\[\\^_`{|}~@]|:(?=//)|(?<=www)\.|#(?=\d)", re.IGNORECASE)
CALLS = re.compile(r"&#(64|35);")


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
    """A sentence that may hold names: no mark of Markdown, link, mention or number of an issue is left in it."""
    # GitHub looks for mentions and issues after the entities are read
    return CALLS.sub("\\g<0>&#8203;", marks(visible(text, longest)))


def marks(text: str) -> str:
    """The text with all that Markdown or HTML reads as a mark spelt as an entity."""
    return MARK.sub(lambda found: f"&#{ord(found[0])};", text)


def fence(lines: tuple[str, ...], language: str) -> str:
    """A fenced block that no line of its content ends."""
    content = "\n".join(escaped(line) for line in lines)
    ticks = "`" * (max([2, *map(len, re.findall(r"`+", content))]) + 1)
    return f"{ticks}{language}\n{content}\n{ticks}"

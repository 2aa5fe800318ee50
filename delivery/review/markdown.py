"""Foreign text in GitHub's Markdown: it can neither end what it stands in, nor link, nor call anybody."""

import re

from delivery.review.yaml_text import HIDDEN, escaped

LONGEST = 200  # characters of a name
PLAIN = re.compile(r"[A-Za-z0-9 ,;()%'?]")


def visible(text: str, longest: int = LONGEST) -> str:
    """One line, with hidden characters spelt out, cut at `longest`."""
    line = (
        escaped(text.replace("\\", "\\\\") if HIDDEN.search(text) else text).replace("\n", "\\n").replace("\t", "\\t")
    )
    return line if len(line) <= longest else line[: longest - 1] + "…"


def code(text: str) -> str:
    """A name in the font of code, also within a table and within HTML: GitHub calls nobody there."""
    return f"<code>{entities(visible(text))}</code>"


def entities(text: str) -> str:
    return "".join(each if each.isalnum() or each in " -_/" else f"&#{ord(each)};" for each in text)


def prose(text: str, longest: int = 2000) -> str:
    """A sentence that may hold names: every mark of Markdown, link, mention and number of an issue is taken apart."""
    result = []
    for word in re.split(r"(@|#(?=\d))", visible(text, longest)):
        if word in {"@", "#"}:
            result.append(f"&#{ord(word)};&#8203;")  # GitHub looks for them after the entities are read
        else:
            marks = re.sub(r"(?i)www\.", lambda found: found[0][:3] + "&#46;", entities_of_marks(word))
            result.append(marks)
    return "".join(result)


def entities_of_marks(text: str) -> str:
    """Marks as entities; a full stop or a hyphen within a line is none, as our sentences start with a letter."""
    return "".join(
        each if PLAIN.match(each) or each in "-/=>" or ord(each) > 127 else "." if each == "." else f"&#{ord(each)};"
        for each in text
    ).replace("->", "-&gt;").replace("=>", "=&gt;").replace(">", "&gt;")  # fmt: skip


def fence(lines: tuple[str, ...], language: str) -> str:
    """A fenced block that no line of its content ends."""
    content = "\n".join(escaped(line) for line in lines)
    ticks = "`" * (max([2, *map(len, re.findall(r"`+", content))]) + 1)
    return f"{ticks}{language}\n{content}\n{ticks}"

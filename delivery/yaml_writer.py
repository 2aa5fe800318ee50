"""Writes values as YAML 1.2 in one form: keys sorted, a block for each text of several lines, nothing folded or hidden.

A library would write all but the blocks: PyYAML's emitter puts a text with a tab, an emoji or a space at the end of a
line on one line.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import yaml

from delivery.manifests import Loader, Object

# what changes how a text looks without being seen: controls, joiners, direction marks, separators of lines
# Source: https://trojansource.codes, Unicode general categories Cc, Cf, Zl, Zp
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\U000e0000-\U000e0fff]"
)
# what keeps a text from being a block that every program reads: kustomize cannot write one again that begins with a tab
UNFIT = re.compile(rf"\A\t|{HIDDEN.pattern}")
# a text that needs no quotes: it begins with no indicator, and has no comment and no key in it
PLAIN = re.compile(
    r"(?![-?:](?:\s|\Z)|[?:]\Z|---|\.\.\.|[\s,\[\]{}#&*!|>'\"%@`])(?:[^\s:#]|:(?=\S)|(?<=\S)#|[ ](?=[^#\s]))+\Z"
)
LONGEST_KEY = 1000  # bytes in one line with its value; libyaml reads 1,024
HINT = " # with \\u for a character that does not show, and \\\\ for \\"


def dump(each: Object | None) -> str:
    """An object as YAML that is read as the same object; "" for None."""
    return "" if each is None else text_of(Writer(), each)


def shown(each: Object | None) -> str:
    """An object for people: a text with hidden characters is a block too, and no longer exact."""
    return "" if each is None else text_of(Writer(inexact=True), each)


def text_of(writer: "Writer", each: Object) -> str:
    return "\n".join([*(writer.lines(each) if each else ["{}"]), ""])


def dump_all(objects: Iterable[Object]) -> str:
    """Objects as a stream for other programs."""
    return "---\n".join(map(dump, objects))


def escaped(text: str) -> str:
    """The text with every hidden character spelt out as \\uXXXX."""
    return HIDDEN.sub(
        lambda found: f"\\u{ord(found[0]):04x}" if ord(found[0]) < 1 << 16 else f"\\U{ord(found[0]):08x}", text
    )


class Writer:
    """Writes values in block style; `inexact` gives blocks to texts with hidden characters too."""

    def __init__(self, *, inexact: bool = False) -> None:
        self.inexact = inexact

    def lines(self, value: Any, indent: str = "") -> Iterator[str]:
        """A collection that is not empty, line by line."""
        if isinstance(value, dict):
            for key in sorted(value, key=str):
                name = scalar(key)
                start = f"{indent}{name}" if len(name) <= LONGEST_KEY else f"{indent}? {name}\n{indent}"
                yield from self.entry(f"{start}:", value[key], indent, nested=f"{indent}  ")
        else:
            for each in value:
                yield from self.entry(f"{indent}-", each, f"{indent}  ", nested=f"{indent}  ")

    def entry(self, start: str, value: Any, indent: str, *, nested: str) -> Iterator[str]:
        """What stands behind a key or a dash, and the lines below it: a list at `indent`, all else at `nested`."""
        if isinstance(value, str) and "\n" in value and (self.inexact or not UNFIT.search(value)):
            yield from block(start, value, nested)
        elif not isinstance(value, dict | list) or not value:
            yield f"{start} {scalar(value)}"
        elif start.endswith("-"):
            lines = self.lines(value, nested)
            yield f"{start} {next(lines)[len(nested) :]}"
            yield from lines
        else:
            yield start
            yield from self.lines(value, nested if isinstance(value, dict) else indent)


def block(start: str, text: str, indent: str) -> Iterator[str]:
    """A text of several lines as a literal block."""
    # the indent is read from the first line unless it is given
    header = "|" + ("2" if text[0] in " \n\t" else "")
    ends = len(text) - len(text.rstrip("\n"))
    header += "-" if not ends else "" if ends == 1 and ends < len(text) else "+"
    if HIDDEN.search(text):
        text = escaped(text.replace("\\", "\\\\"))
        header += HINT
    yield f"{start} {header}"
    for line in text.removesuffix("\n").split("\n"):
        yield f"{indent}{line}" if line else ""


def scalar(value: Any) -> str:
    """A value that is no collection, or an empty one, in one line."""
    if isinstance(value, str):
        return written(value)
    if isinstance(value, bytes):
        return f'!!binary "{base64.b64encode(value).decode()}"'
    if isinstance(value, float):
        return number(value)
    return json.dumps(value)


@lru_cache(1 << 16)
def written(text: str) -> str:
    """A text in one line."""
    if PLAIN.match(text) and not HIDDEN.search(text) and not is_more(text):
        return text
    if HIDDEN.search(text) or "\n" in text:
        return escaped(json.dumps(text, ensure_ascii=False))
    return "'" + text.replace("'", "''") + "'"


def is_more(text: str) -> bool:
    """Whether a text without quotes is read as another type, by a reader of YAML 1.2 or 1.1."""
    return any(
        pattern.match(text)
        for resolvers in (Loader.yaml_implicit_resolvers, yaml.SafeLoader.yaml_implicit_resolvers)
        for _, pattern in resolvers.get(text[:1], ())
    )


def number(value: float) -> str:
    """A number with a decimal point, which YAML 1.1 asks for."""
    if value in {float("inf"), float("-inf")}:
        return ".inf" if value > 0 else "-.inf"
    text = repr(value)
    return ".nan" if text == "nan" else text if "." in text else text.replace("e", ".0e")

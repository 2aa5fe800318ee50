"""Credentials that stand in a manifest as they are: in variables, arguments, annotations, ConfigMaps and URLs."""

import base64
import binascii
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from delivery.credential_patterns import ANYWHERE, ASSIGNED, RANDOM, SECRET_NAME
from delivery.credential_spans import Span, is_credential, joined, spans
from delivery.manifests import Object

Path = tuple[str | int, ...]

ARGUMENTS = re.compile(r"command|(?:[\w-]*?)args", re.IGNORECASE)  # keys of lists that a program is started with
HOLDING = {"data", "binaryData", "annotations", "substitute"}  # fields whose keys name what a pod or a program reads
PROSE = {"expr", "query", "description", "message"}  # texts of several lines that are no file
MASK = "***"  # what is shown for a credential
REMEMBERED = 4096  # texts: overlays and both sides of a review share most of theirs
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class Leaf(NamedTuple):
    """A text of an object that holds credentials."""

    path: Path
    name: str  # of the variable, argument or key
    text: str
    spans: tuple[Span, ...]  # where in the text they are


def leaves(each: Object) -> list[Leaf]:
    """Every text of an object that holds a credential. Secrets are where they belong, and hold none."""
    kind = str(each.get("kind"))
    return [] if kind in {"Secret", "CustomResourceDefinition"} else list(walk(each, (), kind))


def walk(value: Any, path: Path, kind: str) -> Iterator[Leaf]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, str):
                yield from text(inner, (*path, key), name_of(value, key, inner, path, kind), kind)
            elif isinstance(inner, list) and ARGUMENTS.fullmatch(str(key)):
                yield from arguments(inner, (*path, key))
            else:
                yield from walk(inner, (*path, key), kind)
    elif isinstance(value, list):
        name = str(path[-1]) if path and anywhere(str(path[-1])) else ""
        for number, inner in enumerate(value):
            if isinstance(inner, str):
                yield from text(inner, (*path, number), name, kind)
            else:
                yield from walk(inner, (*path, number), kind)


def name_of(mapping: Object, key: str, value: str, path: Path, kind: str) -> str:
    """What a text is called that may be a credential as a whole; "" where it is none by its place."""
    inside = str(path[-1]) if path else ""
    if key in {"value", "val", "default"}:
        named = mapping.get("name") or mapping.get("key")
        if isinstance(named, str):
            return named
        if key == "value" and (anywhere(inside) or (secret_name(inside) and RANDOM.fullmatch(value))):
            return inside
    if inside in HOLDING or anywhere(str(key)) or inside.lower().endswith("headers"):
        return str(key)
    refers = key == "secretKey" and "Secret" in kind  # it names a key of a Secret
    return str(key) if secret_name(str(key)) and not refers and RANDOM.fullmatch(value) else ""


@lru_cache(REMEMBERED)
def anywhere(name: str) -> bool:
    return ANYWHERE.fullmatch(name) is not None


@lru_cache(REMEMBERED)
def secret_name(name: str) -> bool:
    return SECRET_NAME.fullmatch(name) is not None


def text(value: str, path: Path, name: str, kind: str) -> Iterator[Leaf]:
    if path[-2:-1] == ("binaryData",) and kind == "ConfigMap":
        try:
            decoded = base64.b64decode("".join(value.split()), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return
        if is_credential(name, decoded) or spans(decoded, assigned=True):
            yield Leaf(path, name, value, ((0, len(value)),))
    elif is_credential(name, value):
        yield Leaf(path, name, value, ((0, len(value)),))
    elif found := spans(value, assigned=bool(name) or ("\n" in value and path[-1] not in PROSE)):
        yield Leaf(path, name, value, found)


def arguments(values: list[Any], path: Path) -> Iterator[Leaf]:
    """`--password=x` in one argument, `--password` and its value in two, or what a program takes in its own way."""
    before, of_line = "", of_command([value if isinstance(value, str) else "" for value in values])
    for number, value in enumerate(values):
        if not isinstance(value, str):
            before = ""
            continue
        if before and is_credential(before, value) and not value.startswith("-"):
            yield Leaf((*path, number), before, value, ((0, len(value)),))
        elif found := joined([*spans(value, assigned=True), *of_line[number]]):
            first = ASSIGNED.search(value)
            yield Leaf((*path, number), first[1] if first else "", value, found)
        before = value.lstrip("-") if value.startswith("-") else ""


def of_command(values: list[str]) -> list[list[Span]]:
    """Where credentials stand in each argument, for the program and the options before it."""
    line, start, result = " ".join(values), 0, []
    found = spans(line, assigned=False)
    for value in values:
        end = start + len(value)
        result.append(
            [(max(one, start) - start, min(other, end) - start) for one, other in found if one < end > start < other]
        )
        start = end + 1
    return result


def masked(leaf: Leaf, mask: str) -> str:
    """The text of a leaf without its credentials."""
    parts, done = [], 0
    for start, end in leaf.spans:
        parts += [leaf.text[done:start], mask]
        done = end
    return "".join([*parts, leaf.text[done:]])


def hide_password(found: re.Match[str]) -> str:
    """What is shown for a match of URL_PASSWORD."""
    return found[0].removesuffix(found[1]) + MASK


def where(each: Object, leaf: Leaf) -> str:
    """The place of a leaf in words a reader finds: `spec.containers[api].env[DB_PASSWORD].value`."""
    words = ""
    inner: Any = each
    for step in leaf.path:
        name = inner[step].get("name") if isinstance(step, int) and isinstance(inner[step], dict) else None
        words += f"[{step if name is None else name}]" if isinstance(step, int) else f".{step}"
        inner = inner[step]
    return words.lstrip(".")

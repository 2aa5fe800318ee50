"""JSON that every parser reads alike (RFC 8259; RFC 7493, I-JSON): no name twice, no number beyond double precision."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from app.problems import FieldError, Problem, invalid

MAX_DEPTH = 100
_SUSPICIOUS = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
"""Escapes of U+0000 and of surrogates."""
_LARGE_EXPONENT = re.compile(rb"[eE]\+?0*(?:[2-9]\d\d|\d{4})")
_DIGITS = bytes.maketrans(b"123456789", b"000000000")

Path = tuple[str | int, ...]


class MalformedError(ValueError):
    """The body is not JSON that every parser reads alike."""


class _Depth(int):
    """What `check` keeps of an object: its nesting depth."""


_EMPTY = _Depth(1)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise MalformedError(f"The name {shorten(twice)!r} stands twice in one object.")
    return members


def _number(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise MalformedError(f"The number {text[:40]} is beyond the range of double precision.")
    return number


def _integer(text: str) -> int | float:
    return int(text) if len(text) < 300 else _number(text)


def _constant(text: str) -> NoReturn:
    raise MalformedError(f"{text} is not a JSON number.")


def _depth_of(value: Any) -> int:
    if type(value) is list:
        return 1 + max(map(_depth_of, value), default=0)
    return value if type(value) is _Depth else 0


def _collapse(pairs: list[tuple[str, Any]]) -> _Depth:
    if not pairs:
        return _EMPTY
    members = _members(pairs)
    return _Depth(1 + max(map(_depth_of, members.values()), default=0))


def _collapse_and_look(pairs: list[tuple[str, Any]]) -> _Depth:
    for path, text in _texts(dict(pairs)):
        _check_text(path[:1], text)
    return _collapse(pairs)


_decoder = json.JSONDecoder(
    object_pairs_hook=_members, parse_float=_number, parse_int=_integer, parse_constant=_constant
)


def parse(body: bytes) -> Any:
    """Parse `body`.

    Raises Problem: malformed-json, or invalid-request for U+0000, which PostgreSQL cannot store.
    """
    value = _decode(_decoder, body)
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and isinstance(value, (dict, list)):
        _check_depth(_depth(value))
    if _SUSPICIOUS.search(body):
        for path, text in _texts(value):
            _check_text(path, text)
    return value


def check(body: bytes) -> None:
    """Refuse what `parse` refuses, in the memory that one object needs rather than all of them.

    Numbers need a look of their own only where one has a hundred digits or a large exponent.
    Raises Problem, as `parse` does.
    """
    hook = _collapse_and_look if _SUSPICIOUS.search(body) else _collapse
    long = b"0" * 100 in body.translate(_DIGITS) or _LARGE_EXPONENT.search(body)
    decoder = json.JSONDecoder(
        object_pairs_hook=hook,
        parse_float=_number if long else None,
        parse_int=_integer if long else None,
        parse_constant=_constant,
    )
    _check_depth(_decode(decoder, body, _depth_of))


def _decode(decoder: json.JSONDecoder, body: bytes, then: Callable[[Any], Any] = lambda value: value) -> Any:
    try:
        return then(decoder.decode(body.decode("utf-8")))
    except UnicodeDecodeError as error:
        raise Problem("malformed-json", f"Byte {error.start} of the body is not UTF-8.") from None
    except json.JSONDecodeError as error:
        raise Problem("malformed-json", f"{error.msg}, at line {error.lineno}, column {error.colno}.") from None
    except MalformedError as error:
        raise Problem("malformed-json", str(error)) from None
    except RecursionError:
        _check_depth(MAX_DEPTH + 1)


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Problem("malformed-json", f"The body is nested deeper than {MAX_DEPTH}.")


def _depth(value: Any) -> int:
    """Return the nesting depth of `value`; stop counting beyond MAX_DEPTH."""
    depth, level = 0, [value]
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [
            part
            for whole in level
            for part in (whole.values() if isinstance(whole, dict) else whole)
            if isinstance(part, (dict, list))
        ]
    return depth


def _texts(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield (path, text) for every string in `value`, names of members included."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield path, name
            yield from _texts(member, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))


def _check_text(path: Path, text: str) -> None:
    if "\0" in text:
        pointer = _pointer(path)
        raise invalid(FieldError("body", pointer, f"{pointer} holds U+0000, which cannot be stored."))
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise Problem("malformed-json", f"{_pointer(path)} holds half of a surrogate pair.") from None


def _pointer(path: Path) -> str:
    return "/".join(["#", *(escape(str(token)) for token in path)])


def escape(name: str) -> str:
    """Escape one reference token of a JSON Pointer (RFC 6901, section 3), and cut one that is too long to show."""
    return shorten(name).replace("~", "~0").replace("/", "~1")


def shorten(name: str) -> str:
    """Return a name as errors show it: a name of a megabyte would come back several times."""
    return name if len(name) <= 200 else f"{name[:200]}…"

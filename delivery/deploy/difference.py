"""What differs between two states of an object, as the paths of fields."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Self

from delivery import credentials
from delivery.manifests import Object

BOOKKEEPING = {"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"}
SHORT = 60
MASK = "***"
_NONE = object()


class _Credential(str):
    """A text that is compared as it is, and shown without the credentials in it."""

    shown: str

    def __new__(cls, leaf: credentials.Leaf) -> Self:
        text = super().__new__(cls, leaf.text)
        text.shown = credentials.masked(leaf, MASK)
        return text

    def __str__(self) -> str:
        return self.shown

    def __repr__(self) -> str:
        return repr(self.shown)


def difference(before: Object, after: Object) -> list[str]:
    """Each field that differs, as `path: before -> after`; what the API server keeps for itself is left out.

    Passwords, tokens and other credentials that stand in a field are not shown.
    """
    return list(_walk("", _own(before), _own(after)))


def _own(each: Object) -> Object:
    each = _with_masks(each)
    metadata = {name: value for name, value in each["metadata"].items() if name not in BOOKKEEPING}
    return {name: value for name, value in each.items() if name not in {"status", "apiVersion"}} | {
        "metadata": metadata
    }


def _with_masks(each: Object) -> Object:
    leaves = credentials.leaves(each)
    copy = deepcopy(each) if leaves else each
    for leaf in leaves:
        *parents, last = leaf.path
        inner: Any = copy
        for step in parents:
            inner = inner[step]
        inner[last] = _Credential(leaf)
    return copy


def _walk(path: str, before: Any, after: Any) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            yield from _walk(f"{path}.{name}".lstrip("."), before.get(name, _NONE), after.get(name, _NONE))
    elif isinstance(before, list) and isinstance(after, list):
        left, right = by_name(before), by_name(after)
        for name in [*left, *(each for each in right if each not in left)]:
            yield from _walk(f"{path}[{name}]", left.get(name, _NONE), right.get(name, _NONE))
    elif before != after:
        yield f"{path}: {_short(before)} -> {_short(after)}"


def by_name(items: list[Any]) -> dict[Any, Any]:
    """Items by their name where each has one of its own, else by their place."""
    names = [each.get("name") if isinstance(each, dict) else None for each in items]
    if None in names or len(set(names)) < len(names):
        return dict(enumerate(items))
    return dict(zip(names, items, strict=True))


def _short(value: Any) -> str:
    if value is _NONE:
        return "none"
    text = " ".join(str(value).split())
    return text if len(text) <= SHORT else f"{text[:SHORT]}…"

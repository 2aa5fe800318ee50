"""Questions asked of objects that may not be shaped as their kind is, as no schema has been asked yet."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from delivery.manifests import Object

T = TypeVar("T")


def harmless(find: Callable[[Object], Iterable[T]], each: Object) -> list[T]:
    """What is found in an object; nothing where text, number and list stand in one another's place."""
    try:
        return list(find(each))
    except (AttributeError, KeyError, TypeError, ValueError):
        return []

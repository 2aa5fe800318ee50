from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from delivery.manifests import Render

Check = Callable[[Render], Iterator[str]]
"""Yields a sentence for each violation in a render."""


class Finding(NamedTuple):
    """A violation: the check that found it, and a sentence that says what is wrong."""

    check: str
    sentence: str


@dataclass(frozen=True)
class Rule:
    name: str
    violations: Check


def register(rules: list[Rule], name: str) -> Callable[[Check], Check]:
    """Decorator that adds a function to a module's list of rules."""

    def add(check: Check) -> Check:
        rules.append(Rule(name, check))
        return check

    return add

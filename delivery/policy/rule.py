from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from delivery.manifests import Render

Faults = Callable[[Render], Iterator[str]]


class Finding(NamedTuple):
    """A fault: the check that found it, and a sentence that says what is wrong."""

    check: str
    sentence: str


@dataclass(frozen=True)
class Rule:
    name: str
    faults: Faults


def register(rules: list[Rule], name: str) -> Callable[[Faults], Faults]:
    """Decorator that adds a function to a module's list of rules."""

    def add(faults: Faults) -> Faults:
        rules.append(Rule(name, faults))
        return faults

    return add

"""Rules that name fields of objects which others than a deploy may set."""

import re
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property
from typing import Any

from delivery.errors import DeliveryError

TEXTS, LISTS = ("field", "name", "reason"), ("kinds", "managers")


@dataclass(frozen=True)
class FieldRule:
    """A field as `plan` prints it, with all that is in it; `*` stands for any text. Empty lists stand for all."""

    field: str
    name: str = ""
    reason: str = ""
    kinds: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        # an item of a list, as in containers[api], is not a set of characters
        return re.compile(
            translate(self.field.replace("[", "[[]")).removesuffix(r"\Z").removesuffix(r"\z") + r"(?=[.\[]|\Z)"
        )

    def allows(self, kind: str, name: str, path: str, manager: str) -> bool:
        return (
            (not self.kinds or kind in self.kinds)
            and (not self.name or name == self.name)
            and (not self.managers or manager in self.managers)
            and self._pattern.match(path) is not None
        )


def field_rules(found: Any, file: str) -> tuple[FieldRule, ...]:
    """The rules that a list in `file` holds.

    Raises:
        DeliveryError: an entry is not what it must be.
    """
    if found is None:
        return ()
    if not isinstance(found, list):
        raise DeliveryError(f"{file}: foreign must be a list of fields, such as `- field: spec.sessionAffinity`.")
    return tuple(field_rule(each, file) for each in found)


def field_rule(found: Any, file: str) -> FieldRule:
    if not isinstance(found, dict) or not isinstance(found.get("field"), str) or not found["field"]:
        raise DeliveryError(f"{file}: each entry of foreign must name a field, as `delivery plan` prints it.")
    if unknown := sorted(map(str, found.keys() - {*TEXTS, *LISTS})):
        raise DeliveryError(
            f"{file}: the entry for {found['field']} says {', '.join(unknown)}: it may say {', '.join(TEXTS + LISTS)}."
        )
    for key in TEXTS:
        if not isinstance(found.get(key, ""), str):
            raise DeliveryError(f"{file}: {key} of the entry for {found['field']} must be text.")
    for key in LISTS:
        if not isinstance(found.get(key, []), list) or not all(isinstance(one, str) for one in found.get(key, [])):
            raise DeliveryError(f"{file}: {key} of the entry for {found['field']} must be a list of names.")
    kinds, managers = (tuple(found.get(key, [])) for key in LISTS)
    return FieldRule(found["field"], found.get("name", ""), found.get("reason", ""), kinds, managers)

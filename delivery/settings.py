"""What `review`, `validate` and `deploy` know of a repository: a small file in its root, delivery.yaml."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from delivery import manifests
from delivery.errors import DeliveryError
from delivery.field_rules import FieldRule, field_rules
from delivery.manifests import OWN_IMAGE

NAME = "delivery.yaml"
ALL = "all"


@dataclass(frozen=True)
class Settings:
    image: str = OWN_IMAGE  # the repository's own image, as its manifests name it: without registry and tag
    rules: tuple[str, ...] = ()  # names of policy rules to judge by, or `all`; without any, the schemas alone judge
    namespaces: dict[str, str] = field(default_factory=dict)  # the namespace of each overlay
    foreign: tuple[FieldRule, ...] = ()  # fields that others may add to what a deploy applies

    @property
    def every_rule(self) -> bool:
        return ALL in self.rules


def load(root: Path) -> Settings:
    """The settings of the tree at `root`; the defaults where it has none.

    Raises:
        DeliveryError: the file cannot be read, or says something that it cannot say.
    """
    path = root / NAME
    if not path.is_file():
        return Settings()
    try:
        found = manifests.load(path.read_text("utf-8")) or {}
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise DeliveryError(f"{NAME} cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise DeliveryError(f"{NAME} must be a mapping of image, rules, namespaces and foreign.")
    if unknown := sorted(map(str, found.keys() - {"image", "rules", "namespaces", "foreign"})):
        raise DeliveryError(f"{NAME} says {', '.join(unknown)}: it may say image, rules, namespaces and foreign.")
    return Settings(
        image(found.get("image", OWN_IMAGE)),
        rules(found.get("rules")),
        namespaces(found.get("namespaces")),
        field_rules(found.get("foreign"), NAME),
    )


def image(found: Any) -> str:
    if not isinstance(found, str) or not found or set(found) & set("/:@ "):
        raise DeliveryError(
            f"{NAME}: image must be a name without registry and tag, such as {OWN_IMAGE}, not {found!r}."
        )
    return found


def rules(found: Any) -> tuple[str, ...]:
    names = [found] if found == ALL else found or []
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise DeliveryError(f"{NAME}: rules must be {ALL}, or a list of names of rules.")
    return tuple(names)


def namespaces(found: Any) -> dict[str, str]:
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(each, str) for pair in found.items() for each in pair):
        raise DeliveryError(f"{NAME}: namespaces must give the namespace of each overlay, such as dev: shop-dev.")
    return found

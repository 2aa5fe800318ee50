"""Which container images an overlay uses."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from delivery.manifests import OWN_IMAGE, Object
from delivery.review.model import ImageChange

DOCKER_HUB = re.compile(r"\A(?:index\.)?docker\.io/(?:library/)?")
NO_PODS = {"ConfigMap", "Secret", "HelmValues", "CustomResourceDefinition"}


def changes(before: Iterable[Object], after: Iterable[Object], own_image: str = OWN_IMAGE) -> tuple[ImageChange, ...]:
    """Images whose references differ, ours first."""
    old, new = references(before), references(after)
    found = [
        ImageChange(
            name, ", ".join(sorted(old[name])), ", ".join(sorted(new[name])), name.rpartition("/")[2] == own_image
        )
        for name in sorted(old.keys() | new.keys())
        if old[name] != new[name]
    ]
    return tuple(sorted(found, key=lambda each: (not each.ours, each.name)))


def references(objects: Iterable[Object]) -> dict[str, set[str]]:
    """Images with tag or digest, by their name without."""
    found: dict[str, set[str]] = defaultdict(set)
    for each in objects:
        if each["kind"] not in NO_PODS:
            for image in map(short, walk(each.get("spec"))):
                found[name_of(image)].add(image)
    return found


def walk(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("image"), str):
            yield value["image"]
        for each in value.values():
            yield from walk(each)
    elif isinstance(value, list):
        for each in value:
            yield from walk(each)


def short(image: str) -> str:
    """A reference without the registry that is meant where none is named."""
    return DOCKER_HUB.sub("", image)


def name_of(image: str) -> str:
    name = image.partition("@")[0]
    folder, slash, last = name.rpartition("/")
    return folder + slash + last.partition(":")[0]

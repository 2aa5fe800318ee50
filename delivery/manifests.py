"""A render as objects, with the few questions that are asked of them again and again."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

Object = dict[str, Any]

POD_TEMPLATES = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job")


@dataclass(frozen=True)
class Render:
    """The objects that one overlay renders to, in the order in which they are applied."""

    overlay: str
    objects: list[Object]

    @classmethod
    def parse(cls, overlay: str, text: str) -> "Render":
        return cls(overlay, [each for each in yaml.load_all(text, yaml.CSafeLoader) if each])

    @property
    def namespace(self) -> str:
        """The namespace that the overlay must live in."""
        return "taskpulse" if self.overlay == "main" else f"taskpulse-{self.overlay}"

    def of(self, *kinds: str) -> list[Object]:
        return [each for each in self.objects if each["kind"] in kinds]

    def named(self, kind: str, name: str) -> Object | None:
        return next((each for each in self.of(kind) if each["metadata"]["name"] == name), None)

    def pods(self) -> Iterator[tuple[Object, Object]]:
        """Each object that makes pods, with its pod template (a Pod is its own)."""
        for each in self.objects:
            if each["kind"] in POD_TEMPLATES:
                yield each, each["spec"]["template"]
            elif each["kind"] == "CronJob":
                yield each, each["spec"]["jobTemplate"]["spec"]["template"]
            elif each["kind"] == "Pod":
                yield each, each

    def containers(self) -> Iterator[tuple[str, Object, Object]]:
        """Every container: where it is, in words; its pod's spec; itself."""
        for owner, template in self.pods():
            spec = template["spec"]
            for container in all_containers(spec):
                yield f"{identity(owner)} container {container['name']}", spec, container


def all_containers(spec: Object) -> list[Object]:
    """Containers of a pod's spec, of every sort."""
    return [*spec.get("initContainers", []), *spec["containers"], *spec.get("ephemeralContainers", [])]


def projections(spec: Object) -> Iterator[Object]:
    """Sources of the projected volumes of a pod's spec."""
    for volume in spec.get("volumes", []):
        yield from (volume.get("projected") or {}).get("sources", [])


def identity(each: Object) -> str:
    return f"{each['kind']}/{each['metadata']['name']}"


def dig(each: Any, *path: str) -> Any:
    """The value at `path`, or None where a step is missing."""
    for step in path:
        if not isinstance(each, dict):
            return None
        each = each.get(step)
    return each


def selects(selector: Object | None, labels: dict[str, str]) -> bool:
    """Whether a label selector selects `labels`: None selects nothing, {} everything.

    One with matchExpressions counts as selecting nothing: no manifest of ours needs them.
    """
    if selector is None or selector.get("matchExpressions"):
        return False
    return (selector.get("matchLabels") or {}).items() <= labels.items()

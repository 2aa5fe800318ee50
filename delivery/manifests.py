"""Kubernetes objects: the questions asked of them again and again, and how their YAML is read."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any

import yaml

from delivery.errors import DeliveryError

Object = dict[str, Any]

OWN_IMAGE = "taskpulse-api"
"""The name of our own image in manifests, without registry and tag."""
POD_TEMPLATES = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job")


@dataclass(frozen=True)
class Render:
    """The objects that one overlay renders to, in the order in which they are applied."""

    overlay: str
    objects: list[Object]
    own_image: str = OWN_IMAGE
    namespaces: dict[str, str] = field(default_factory=dict)  # by overlay, where it is not as ours

    @classmethod
    def parse(cls, overlay: str, text: str) -> "Render":
        return cls(overlay, [each for each in load_all(text) if each])

    @property
    def namespace(self) -> str:
        """The namespace that the overlay must live in."""
        if self.overlay in self.namespaces:
            return self.namespaces[self.overlay]
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


# YAML 1.2; yaml_writer.py writes it

SEPARATOR = re.compile(r"^---(?=\s|\Z)", re.MULTILINE)  # the document may begin in the same line
DEEPEST = 100  # levels; a CustomResourceDefinition may have some forty
MOST = 1_000_000  # values of a document, a thousand times what is usual: aliases of aliases may make a line billions


class Loader(yaml.CSafeLoader):
    """Reads plain scalars as YAML 1.2's core schema does, so that no time, date or base-60 number is made of one."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: Any) -> str:
        """As PyYAML does, but for what nothing here uses: it is called for every value."""
        if kind is yaml.ScalarNode:
            return plain_type(str(value)) if implicit[0] else "tag:yaml.org,2002:str"
        return f"tag:yaml.org,2002:{'seq' if kind is yaml.SequenceNode else 'map'}"


@lru_cache(1 << 16)
def plain_type(text: str) -> str:
    """The type of a plain scalar."""
    for tag, pattern in Loader.yaml_implicit_resolvers.get(text[:1], ()):
        if pattern.match(text):
            return tag
    return "tag:yaml.org,2002:str"


NUMBER = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"

for tag, pattern, first in (
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", NUMBER + r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+.0123456789"),
):  # fmt: skip
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"(?:{pattern})\Z"), [*first, ""])
Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"<<\Z"), ["<"])


def construct_int(_: Loader, node: yaml.ScalarNode) -> int:
    text = node.value
    return int(text, 0 if text.startswith(("0o", "0x")) else 10)


def construct_float(_: Loader, node: yaml.ScalarNode) -> float:
    return float(re.sub(r"\.(?=[inIN])", "", node.value))


Loader.add_constructor("tag:yaml.org,2002:int", construct_int)
Loader.add_constructor("tag:yaml.org,2002:float", construct_float)
# types of YAML 1.1 that the core schema does not have, as Kubernetes reads them
for tag, same in (("timestamp", "str"), ("set", "map"), ("omap", "seq"), ("pairs", "seq")):
    Loader.yaml_constructors[f"tag:yaml.org,2002:{tag}"] = Loader.yaml_constructors[f"tag:yaml.org,2002:{same}"]


def documents(text: str) -> list[str]:
    """The documents of a stream, as written: a line that starts with `---` can be nothing else (YAML 1.2.2, 9.1.2)."""
    return [document for document in SEPARATOR.split(text) if document.strip()]


def unfit(value: Any) -> str:
    """Why a document is too deep or too large to be compared and written; "" where it is not."""
    level, found = [value], 0
    for _ in range(DEEPEST + 1):
        found += len(level)
        if found > MOST:
            return f"holds more than {MOST:,} values"
        if not (level := list(islice((one for each in level for one in inner(each)), MOST + 1))):
            return ""
    return f"nests lists and mappings deeper than {DEEPEST} levels"


def inner(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def load_all(text: str) -> Iterator[Any]:
    """The documents of a stream, as Python values."""
    return iter(yaml.load_all(text, Loader))


def load(text: str) -> Any:
    """The only document of a text, as a Python value.

    Raises:
        yaml.YAMLError: it is no YAML.
        ValueError: it holds a number or a text that cannot be read.
    """
    return yaml.load(text, Loader)  # noqa: S506, a safe loader


def parse(document: str) -> list[Object]:
    """The objects of one document; a List is taken apart.

    Raises:
        DeliveryError: it is no YAML, or no Kubernetes object.
    """
    try:
        loaded = yaml.load(document, Loader)  # noqa: S506, a safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DeliveryError(f"The render holds what is no YAML: {error}") from None
    if reason := unfit(loaded):
        raise DeliveryError(f"The render {reason}.")
    if loaded is None:
        return []
    items = loaded.get("items") if isinstance(loaded, dict) and str(loaded.get("kind")).endswith("List") else None
    objects = items if isinstance(items, list) else [loaded]
    for each in objects:
        named = isinstance(each, dict) and isinstance(each.get("metadata"), dict)
        if not named or not isinstance(each.get("kind"), str) or not isinstance(each["metadata"].get("name"), str):
            raise DeliveryError("The render holds a document without kind and metadata.name, both as text.")
    return objects

"""The other objects of an overlay, on both sides: what one object's change means depends on them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from delivery.manifests import Object, dig
from delivery.review.normal import normal
from delivery.review.pod_templates import pod_labels, pod_spec, read_by
from delivery.review.selectors import selects

MAKERS = {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod"}
Pairs = Sequence[tuple[Object | None, Object | None]]
Name = Literal["before", "after"]
BOTH: tuple[Name, Name] = ("before", "after")


@dataclass(frozen=True)
class Workload:
    """Something that makes pods."""

    number: int  # of its pair: the same on both sides
    value: Object

    @property
    def name(self) -> str:
        return f"{self.value['kind']}/{self.value['metadata']['name']}"

    @property
    def labels(self) -> Object:
        return pod_labels(self.value)


class Side:
    """The objects of one side, by the number of their pair."""

    def __init__(self, objects: Iterable[Object | None]) -> None:
        self.asked: dict[str, list[Workload]] = {}  # by namespace and selector: many objects ask the same
        self.objects = [(number, each) for number, each in enumerate(objects) if each is not None]

    @cached_property
    def workloads(self) -> list[Workload]:
        return [Workload(number, each) for number, each in self.objects if each["kind"] in MAKERS and pod_spec(each)]

    def selected(self, namespace: str, selector: Object | None) -> list[Workload]:
        """What makes pods that a selector selects in a namespace."""
        found = self.asked.get(key := f"{namespace} {selector}")
        if found is None:
            found = self.asked[key] = [
                each for each in self.workloads
                if namespace_of(each.value) == namespace and selects(selector, each.labels)
            ]  # fmt: skip
        return found

    @cached_property
    def kinds(self) -> dict[str, list[tuple[int, Object]]]:
        """The objects by kind."""
        found: dict[str, list[tuple[int, Object]]] = defaultdict(list)
        for number, each in self.objects:
            found[each["kind"]].append((number, each))
        return found

    def of(self, kind: str) -> list[tuple[int, Object]]:
        return self.kinds.get(kind, [])

    @cached_property
    def policies(self) -> list[tuple[int, Object]]:
        """NetworkPolicies, as they are stored."""
        return [(number, normal(each)) for number, each in self.of("NetworkPolicy")]

    def number(self, kind: str, namespace: str, name: str) -> int | None:
        """The number of an object."""
        return next(
            (n for n, each in self.of(kind) if (namespace_of(each), each["metadata"]["name"]) == (namespace, name)),
            None,
        )

    def named(self, kind: str, namespace: str, name: str) -> Object | None:
        """An object by its name."""
        return self.by_name.get((kind, namespace, name))

    @cached_property
    def by_name(self) -> dict[tuple[str, str, str], Object]:
        return {(each["kind"], namespace_of(each), each["metadata"]["name"]): each for _, each in self.objects}

    def readers(self, kind: str, namespace: str, name: str) -> list[str]:
        """Names of the workloads that read a ConfigMap or Secret, or run as a ServiceAccount."""
        return [
            each.name for each in self.workloads
            if namespace_of(each.value) == namespace and (kind, name) in set(read_by(each.value))
        ]  # fmt: skip

    def counts(self, each: Workload) -> tuple[int, int] | None:
        """How many pods a workload has, at least and at most; None where that is not known."""
        for _, scaler in self.of("HorizontalPodAutoscaler"):
            if namespace_of(scaler) == namespace_of(each.value) and scaled(scaler) == each.name:
                least, most = dig(scaler, "spec", "minReplicas"), dig(scaler, "spec", "maxReplicas")
                return (1 if least is None else least), most
        if each.value["kind"] not in {"Deployment", "StatefulSet", "ReplicaSet"}:
            return None
        replicas = dig(each.value, "spec", "replicas")
        return (1, 1) if replicas is None else (replicas, replicas)


class Around:
    """An overlay before and after a change."""

    def __init__(self, pairs: Pairs = ()) -> None:
        self.before = Side(old for old, _ in pairs)
        self.after = Side(new for _, new in pairs)

    def sides(self) -> tuple[Side, Side]:
        return self.before, self.after


def namespace_of(each: Object | None) -> str:
    return str(dig(each, "metadata", "namespace") or "")


def scaled(scaler: Object) -> str:
    """What an autoscaler scales, as kind and name."""
    kind, name = (dig(scaler, "spec", "scaleTargetRef", key) for key in ("kind", "name"))
    return f"{kind}/{name}"

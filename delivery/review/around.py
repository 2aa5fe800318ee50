"""The other objects of an overlay, on both sides: what one object's change means depends on them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from delivery.manifests import Object, dig
from delivery.review.normal import normal
from delivery.review.pod_templates import pod_labels, pod_spec, read_by
from delivery.review.selectors import selects

ROUTES = ("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "Ingress")
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


Place = tuple[str | None, ...]


class Labelled:
    """Numbers of objects by labels; of many, only those are asked that have a label which a selector wants."""

    def __init__(self, objects: Iterable[tuple[int, str, Object]]) -> None:
        self.known: dict[Place, list[tuple[int, Object]]] = defaultdict(list)
        for number, namespace, labels in objects:
            for place in (namespace, None):
                self.known[place,].append((number, labels))
                for key, value in labels.items():
                    self.known[place, str(key), str(value)].append((number, labels))

    def find(self, namespace: str | None, selector: Object | None) -> list[int]:
        """The numbers of those that a selector selects in a namespace; None stands for all namespaces."""
        label = sole_label(selector)
        candidates = self.known.get((namespace, *label) if label else (namespace,), [])
        return [number for number, labels in candidates if selects(selector, labels)]


class Selecting:
    """Objects by what they select, so that of many only those are asked that may select given labels."""

    def __init__(self, objects: Iterable[tuple[int, Object]]) -> None:
        self.known: dict[tuple[str, ...], list[tuple[int, int, Object]]] = defaultdict(list)
        for place, (number, each) in enumerate(objects):
            label = sole_label(selector_of(each))
            self.known[(namespace_of(each), *label) if label else (namespace_of(each),)].append((place, number, each))

    def find(self, namespace: str, labels: Object) -> list[tuple[int, Object]]:
        places = [(namespace,), *((namespace, str(key), str(value)) for key, value in labels.items())]
        found = [
            one for place in places for one in self.known.get(place, []) if selects(selector_of(one[2]), labels)
        ]  # fmt: skip
        return [(number, each) for _, number, each in sorted(found, key=lambda one: one[0])]


class Side:
    """The objects of one side, by the number of their pair."""

    def __init__(self, objects: Iterable[Object | None]) -> None:
        self.asked: dict[str, list[Workload]] = {}  # by namespace and selector: many objects ask the same
        self.indexes: dict[str, Selecting] = {}  # by kind
        self.objects = [(number, each) for number, each in enumerate(objects) if each is not None]

    @cached_property
    def workloads(self) -> list[Workload]:
        return [Workload(number, each) for number, each in self.objects if each["kind"] in MAKERS and pod_spec(each)]

    def selected(self, namespace: str, selector: Object | None) -> list[Workload]:
        """What makes pods that a selector selects in a namespace."""
        found = self.asked.get(key := f"{namespace} {selector}")
        if found is None:
            numbers = self.pods.find(namespace, selector)
            found = self.asked[key] = [self.workload[number] for number in numbers]
        return found

    @cached_property
    def pods(self) -> Labelled:
        """The numbers of what makes pods, by the labels of these."""
        return Labelled((each.number, namespace_of(each.value), each.labels) for each in self.workloads)

    @cached_property
    def services(self) -> Labelled:
        """The numbers of Services, by their own labels."""
        services = self.of("Service")
        return Labelled((n, namespace_of(each), dig(each, "metadata", "labels") or {}) for n, each in services)

    @cached_property
    def workload(self) -> dict[int, Workload]:
        """What makes pods, by the number of its pair."""
        return {each.number: each for each in self.workloads}

    def selecting(self, kind: str, namespace: str, labels: Object) -> list[tuple[int, Object]]:
        """Objects of a kind in a namespace that select pods with these labels, as they are stored."""
        if kind not in self.indexes:
            self.indexes[kind] = Selecting(self.policies if kind == "NetworkPolicy" else self.of(kind))
        return self.indexes[kind].find(namespace, labels)

    @cached_property
    def kinds(self) -> dict[str, list[tuple[int, Object]]]:
        """The objects by kind."""
        found: dict[str, list[tuple[int, Object]]] = defaultdict(list)
        for number, each in self.objects:
            found[each["kind"]].append((number, each))
        return found

    @cached_property
    def namespaces(self) -> set[str]:
        return {namespace_of(each) for _, each in self.objects}

    @cached_property
    def by_number(self) -> dict[int, Object]:
        return dict(self.objects)

    def of(self, kind: str) -> list[tuple[int, Object]]:
        return self.kinds.get(kind, [])

    @cached_property
    def allowing(self) -> dict[tuple[str, str], set[str]]:
        """Names of the policies that allow something, by namespace and way."""
        found: dict[tuple[str, str], set[str]] = defaultdict(set)
        for _, each in self.policies:
            for way in ("ingress", "egress"):
                if dig(each, "spec", way):
                    found[namespace_of(each), way].add(each["metadata"]["name"])
        return found

    @cached_property
    def routes(self) -> dict[tuple[str, str], list[Object]]:
        """Routes and Ingresses, by namespace and name of the Services that they send to."""
        found: dict[tuple[str, str], list[Object]] = defaultdict(list)
        for kind in ROUTES:
            for _, each in self.of(kind):
                for name in dict.fromkeys(str(name) for name, _ in backends(each)):
                    found[namespace_of(each), name].append(each)
        return found

    @cached_property
    def aggregating(self) -> list[Object]:
        """ClusterRoles that collect the rules of others."""
        return [each for _, each in self.of("ClusterRole") if dig(each, "aggregationRule", "clusterRoleSelectors")]

    @cached_property
    def policies(self) -> list[tuple[int, Object]]:
        """NetworkPolicies, as they are stored."""
        return [(number, normal(each)) for number, each in self.of("NetworkPolicy")]

    def number(self, kind: str, namespace: str, name: str) -> int | None:
        """The number of an object."""
        return self.numbers.get((kind, namespace, name))

    @cached_property
    def numbers(self) -> dict[tuple[str, str, str], int]:
        found = ((each["kind"], namespace_of(each), each["metadata"]["name"], n) for n, each in self.objects)
        return {(kind, namespace, name): n for kind, namespace, name, n in reversed([*found])}

    def named(self, kind: str, namespace: str, name: str) -> Object | None:
        """An object by its name."""
        return self.by_name.get((kind, namespace, name))

    @cached_property
    def by_name(self) -> dict[tuple[str, str, str], Object]:
        return {(each["kind"], namespace_of(each), each["metadata"]["name"]): each for _, each in self.objects}

    def readers(self, kind: str, namespace: str, name: str) -> list[str]:
        """Names of the workloads whose pods do not start without a ConfigMap, Secret or ServiceAccount."""
        reading = self.reading.get((namespace, kind, name), [])
        return [each.name for each in reading if (kind, name) in read_by(each.value, needed=True)]

    @cached_property
    def reading(self) -> dict[tuple[str, str, str], list[Workload]]:
        """What makes pods, by namespace, kind and name of what these read."""
        found: dict[tuple[str, str, str], list[Workload]] = defaultdict(list)
        for each in self.workloads:
            for kind, name in dict.fromkeys(read_by(each.value)):
                found[namespace_of(each.value), kind, name].append(each)
        return found

    @cached_property
    def scalers(self) -> dict[tuple[str, str], Object]:
        """Autoscalers, by namespace and name of what they scale."""
        return {(namespace_of(each), scaled(each)): each for _, each in reversed(self.of("HorizontalPodAutoscaler"))}

    def counts(self, each: Workload) -> tuple[int, int] | None:
        """How many pods a workload has, at least and at most; None where that is not known."""
        if scaler := self.scalers.get((namespace_of(each.value), each.name)):
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


def selector_of(each: Object) -> Object | None:
    """What an object selects pods by; None where it selects none."""
    if each["kind"] == "Service":
        found = dig(each, "spec", "selector")
        return {"matchLabels": found} if found else None
    if each["kind"] == "NetworkPolicy":
        return dig(each, "spec", "podSelector") or {}
    found = dig(each, "spec", "selector")
    return found if isinstance(found, dict) else None


def backends(each: Object) -> Iterator[tuple[Any, set[Any]]]:
    """The Services that a route or an Ingress sends to, with the ports that it names."""
    return ingress_backends(each) if each["kind"] == "Ingress" else route_backends(each)


def route_backends(each: Object) -> Iterator[tuple[Any, set[Any]]]:
    for rule in dig(each, "spec", "rules") or []:
        for backend in dig(rule, "backendRefs") or []:
            if dig(backend, "kind") in {None, "Service"} and dig(backend, "namespace") in {None, namespace_of(each)}:
                yield dig(backend, "name"), {dig(backend, "port")}


def ingress_backends(each: Object) -> Iterator[tuple[Any, set[Any]]]:
    found = [dig(each, "spec", "defaultBackend"), dig(each, "spec", "backend")]
    for rule in dig(each, "spec", "rules") or []:
        found += [dig(path, "backend") for path in dig(rule, "http", "paths") or []]
    for backend in found:
        service = dig(backend, "service") or {}
        yield (
            service.get("name") or dig(backend, "serviceName"),
            {*(dig(service, "port") or {}).values(), dig(backend, "servicePort")},
        )


def sole_label(selector: Object | None) -> tuple[str, str] | None:
    """A label that all that a selector selects has; None where that is not known."""
    for key, value in (dig(selector, "matchLabels") or {}).items():
        return str(key), str(value)
    return None


def scaled(scaler: Object) -> str:
    """What an autoscaler scales, as kind and name."""
    kind, name = (dig(scaler, "spec", "scaleTargetRef", key) for key in ("kind", "name"))
    return f"{kind}/{name}"

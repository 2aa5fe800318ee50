"""Pods that a HelmRelease describes in the values for its chart, judged as other pods are.

A chart decides what it makes of values. What looks like a pod or a container, by its usual fields, is taken for one.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from delivery.manifests import Object, dig
from delivery.review.around import Around
from delivery.review.dangers import availability, data, node, pods
from delivery.review.model import Danger

OF_POD = ("hostNetwork", "hostPID", "hostIPC", "hostUsers", "shareProcessNamespace", "runtimeClassName", "volumes",
          "nodeSelector", "affinity", "topologySpreadConstraints", "terminationGracePeriodSeconds")  # fmt: skip
OF_CONTAINER = ("resources", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "volumeMounts", "ports",
                "env", "args", "command")  # fmt: skip
CONTEXTS = ("securityContext", "containerSecurityContext")
REPLICAS = ("replicas", "replicaCount")
LISTED = ("volumes", "topologySpreadConstraints", "volumeMounts", "ports", "env")
WORDS = ("args", "command")
# how charts call what is put to the fields of their own
MORE = {
    **dict.fromkeys(("extraVolumes", "additionalVolumes"), "volumes"),
    **dict.fromkeys(("extraVolumeMounts", "additionalVolumeMounts"), "volumeMounts"),
    **dict.fromkeys(("extraEnv", "extraEnvs", "extraEnvVars", "envVars"), "env"),
    "extraArgs": "args",
}
SINGLE = ("hostNetwork", "hostPID", "hostIPC", "hostUsers", "shareProcessNamespace", "runtimeClassName",
          "terminationGracePeriodSeconds")  # fmt: skip
LISTS = ("containers", "initContainers")


def dangers(before: Object | None, after: Object | None) -> Iterator[Danger]:
    if after is None or after["kind"] != "HelmRelease":
        return
    old = dict(described(dig(before, "spec", "values"))) if before else {}
    for path, pod in described(dig(after, "spec", "values")):
        was = old.get(path) or (deployment({}) if before else None)
        around = Around([(was, pod)])
        found = [*node.dangers(was, pod), *pods.dangers(was, pod, around), *availability.dangers(was, pod, around)]
        for each in (*found, *data.dangers(was, pod, around)):
            yield replace(each, sentence=f"Values {path}: {each.sentence}" if path else f"Values: {each.sentence}")


def fields(values: Object, names: tuple[str, ...]) -> Object:
    """The fields that are shaped as a pod's are: charts may mean something else by the same names."""
    return {key: values[key] for key in names if key in values and shaped(key, values[key])}


def shaped(key: str, value: Any) -> bool:
    if key in LISTED:
        return isinstance(value, list) and all(isinstance(each, dict) for each in value)
    if key in WORDS:
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    if key in SINGLE:
        return isinstance(value, bool | int | str)
    return isinstance(value, dict)


def described(values: Any, path: str = "") -> Iterator[tuple[str, Object]]:
    """Pods in values, by the path to them, each as a Deployment."""
    if isinstance(values, list):
        for number, each in enumerate(values):
            yield from described(each, f"{path}[{number}]")
    if not isinstance(values, dict):
        return
    values = gathered(values)
    if any(listed(values.get(key)) for key in LISTS):
        yield path, whole(values)
        inner = {key: each for key, each in values.items() if key not in (*LISTS, *OF_POD, "securityContext")}
    elif fields(values, (*OF_POD, *OF_CONTAINER, *CONTEXTS, "podSecurityContext")) or count(values) is not None:
        yield path, parts(values, path.rpartition(".")[2] or "release")
        inner = {key: each for key, each in values.items() if key not in (*OF_POD, *OF_CONTAINER, *CONTEXTS)}
    else:
        inner = values
    for key, each in inner.items():
        yield from described(each, f"{path}.{key}" if path else str(key))


def gathered(values: Object) -> Object:
    """Values with what stands under another name of a field added to it, and variables as a list."""
    result = {key: each for key, each in values.items() if key not in MORE}
    if "env" in result:
        result["env"] = variables(result["env"])
    for key in sorted(values.keys() & MORE.keys()):
        more, held = variables(values[key]) if MORE[key] == "env" else values[key], result.get(MORE[key]) or []
        if isinstance(more, list) and isinstance(held, list):
            result[MORE[key]] = [*held, *more]
    return result


def variables(found: Any) -> Any:
    """Variables of a container, which charts also take by their names."""
    if not isinstance(found, dict):
        return found
    return [{"name": str(name), "value": value} for name, value in found.items() if not isinstance(value, dict | list)]


def listed(found: Any) -> list[Object]:
    """Containers, of a list or by their names."""
    if isinstance(found, dict):
        found = [{**each, "name": name} for name, each in found.items() if isinstance(each, dict)]
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def whole(values: Object) -> Object:
    """A pod's spec."""
    spec = fields(values, (*OF_POD, "securityContext"))
    spec |= {key: [container(each) for each in listed(values.get(key))] for key in LISTS}
    return deployment(spec, values)


def container(values: Object) -> Object:
    context: Object = next(iter(fields(values, CONTEXTS).values()), {})
    return {"name": str(values.get("name")), "securityContext": context, **fields(values, OF_CONTAINER)}


def parts(values: Object, name: str) -> Object:
    """The fields of a pod and of its only container, side by side."""
    spec = fields(values, OF_POD)
    spec["securityContext"] = fields(values, ("podSecurityContext",)).get("podSecurityContext", {})
    spec["containers"] = [container({**values, "name": name})]
    return deployment(spec, values)


def count(values: Object) -> int | None:
    return next((n for key in REPLICAS if isinstance(n := values.get(key), int)), None)


def deployment(spec: Object, values: Object | None = None) -> Object:
    number = count(values or {})
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "release"},
        "spec": {"template": {"spec": {"containers": [], **spec}}, **({} if number is None else {"replicas": number})},
    }

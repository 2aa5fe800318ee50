"""One API version for each kind: the same object may be written in several."""

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from delivery import manifests
from delivery.manifests import Object, dig


@cache
def table(name: str) -> dict[str, dict[str, Any]]:
    """One of the tables beside this file, by API version and kind."""
    text = Path(__file__).with_name(name).read_text("utf-8")
    found: dict[str, dict[str, Any]] = next(manifests.load_all(text))
    return found


def version(each: Object) -> str:
    """The API version in which objects of its kind are compared."""
    given = str(each.get("apiVersion") or "")
    return str(table("versions.yaml").get(given, {}).get(str(each.get("kind")), given))


def converted(each: Object) -> Object:
    """The object in the API version in which it is compared."""
    given = str(each.get("apiVersion") or "")
    target = version(each)
    if target == given:
        return each
    if older := table("older.yaml").get(given, {}).get(each["kind"]):
        each = filled(each, older)
    convert = FIELDS.get((given, each["kind"]))
    return {**(convert(each) if convert else each), "apiVersion": target}


def filled(given: Any, defaults: Any) -> Any:
    """A value with defaults in place of what it lacks; the first of a list is for each of its mappings."""
    if isinstance(given, list) and isinstance(defaults[0], dict):
        return [filled(each, defaults[0]) for each in given]
    if isinstance(given, dict):
        return {**given, **{key: filled(given.get(key), default) for key, default in defaults.items()}}
    return deepcopy(defaults) if given is None else given


def ingress(each: Object) -> Object:
    """From extensions/v1beta1 or networking.k8s.io/v1beta1."""
    spec = dict(each.get("spec") or {})
    if given := spec.pop("backend", None):
        spec["defaultBackend"] = backend(given)
    rules = []
    for rule in spec.get("rules") or []:
        paths = [
            {"pathType": "ImplementationSpecific", **path, "backend": backend(path.get("backend") or {})}
            for path in dig(rule, "http", "paths") or []
        ]
        rules.append({**rule, **({"http": {"paths": paths}} if paths else {})})
    return {**each, "spec": {**spec, **({"rules": rules} if rules else {})}}


def backend(given: Object) -> Object:
    if "serviceName" not in given:
        return given
    port = given.get("servicePort")
    return {"service": {"name": given["serviceName"], "port": {"number" if isinstance(port, int) else "name": port}}}


def autoscaler(each: Object) -> Object:
    """From autoscaling/v1."""
    spec: dict[str, Any] = dict(each.get("spec") or {})
    if share := spec.pop("targetCPUUtilizationPercentage", None):
        target = {"type": "Utilization", "averageUtilization": share}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    return {**each, "spec": spec}


def beta_autoscaler(each: Object) -> Object:
    """From autoscaling/v2beta1, whose metrics said their targets in fields of their own."""
    spec: dict[str, Any] = dict(each.get("spec") or {})
    if metrics := spec.get("metrics"):
        spec["metrics"] = [beta_metric(metric) for metric in metrics]
    return {**each, "spec": spec}


def beta_metric(metric: Object) -> Object:
    kind = str(metric.get("type") or "")
    place = kind[:1].lower() + kind[1:]
    given = dict(metric.get(place) or {})
    target: dict[str, Any] = {}
    for field, name, what in TARGETS:
        if (value := given.pop(field, None)) is not None:
            target = {"type": what, name: value}
    found: dict[str, Any] = {"target": target}
    if kind in {"Resource", "ContainerResource"}:
        found |= given
    else:
        selector = given.pop("metricSelector", given.pop("selector", None))
        found["metric"] = {"name": given.get("metricName")} | ({"selector": selector} if selector else {})
    if kind == "Object":
        found["describedObject"] = given.get("target")
    return {**metric, place: found}


# fields of autoscaling/v2beta1, the field of a target that each is now, and its type; the last one that is there counts
TARGETS = (
    ("targetAverageUtilization", "averageUtilization", "Utilization"),
    ("targetValue", "value", "Value"),
    ("targetAverageValue", "averageValue", "AverageValue"),
    ("averageValue", "averageValue", "AverageValue"),
)


def workload(each: Object) -> Object:
    """From extensions/v1beta1 or apps/v1beta1, whose selector was what the pods are labelled with."""
    spec = dict(each.get("spec") or {})
    if dig(spec, "strategy", "type") == "Recreate":
        spec["strategy"] = {"type": "Recreate"}
    labels = dig(spec, "template", "metadata", "labels")
    if labels and not spec.get("selector"):
        spec["selector"] = {"matchLabels": labels}
    return {**each, "spec": spec}


def budget(each: Object) -> Object:
    """From policy/v1beta1, where a selector that asks for nothing selected nothing."""
    spec = dict(each.get("spec") or {})
    if spec.get("selector") is not None and not any(spec["selector"].values()):
        spec["selector"] = {"matchExpressions": [{"key": NO_POD, "operator": "Exists"}]}
    return {**each, "spec": spec}


NO_POD = "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match"
"""The label that no pod has. Source: pkg/apis/policy/v1beta1/conversion.go of kubernetes/kubernetes"""

FIELDS: dict[tuple[str, str], Callable[[Object], Object]] = {
    ("extensions/v1beta1", "Ingress"): ingress,
    ("networking.k8s.io/v1beta1", "Ingress"): ingress,
    ("extensions/v1beta1", "Deployment"): workload,
    ("extensions/v1beta1", "DaemonSet"): workload,
    ("extensions/v1beta1", "ReplicaSet"): workload,
    ("apps/v1beta1", "Deployment"): workload,
    ("apps/v1beta1", "StatefulSet"): workload,
    ("policy/v1beta1", "PodDisruptionBudget"): budget,
    ("autoscaling/v1", "HorizontalPodAutoscaler"): autoscaler,
    ("autoscaling/v2beta1", "HorizontalPodAutoscaler"): beta_autoscaler,
}

"""Objects that are deleted, or must be deleted to be changed."""

import math
import re
from collections.abc import Iterator
from typing import Any

from delivery.manifests import Object, dig
from delivery.review.model import Danger, Verb

LOSS = {
    "Namespace": "everything in it goes with it",
    "PersistentVolumeClaim": "the data on its volume may go with it",
    "CustomResourceDefinition": "every object of its kind goes with it",
    "Deployment": "its pods stop",
    "StatefulSet": "its pods stop",
    "DaemonSet": "its pods stop",
    "Service": "its address and its name in DNS go",
    "Gateway": "its listeners stop answering",
    "HTTPRoute": "requests that it routed are answered with 404",
    "Ingress": "requests that it routed are no longer answered",
    "NetworkPolicy": "traffic that only it allows stops, and traffic that only it isolates is let in",
    "PodDisruptionBudget": "a drain of nodes may take all pods at once",
    "HorizontalPodAutoscaler": "the number of pods no longer follows the load",
    "PrometheusRule": "its alerts and recording rules go",
    "ServiceMonitor": "its metrics are no longer collected, and alerts on them fall silent",
    "PodMonitor": "its metrics are no longer collected, and alerts on them fall silent",
    "AlertmanagerConfig": "alerts that it routes reach nobody through it",
    "Secret": "pods that read it do not start any more",
    "ConfigMap": "pods that read it do not start any more",
    "ServiceAccount": "pods that run as it do not start any more",
}

# fields that the API server refuses to change, by kind
# Source: pkg/apis/*/validation of kubernetes/kubernetes; Kubernetes API reference
IMMUTABLE: dict[str, tuple[str, ...]] = {
    "Deployment": ("spec.selector",),
    "ReplicaSet": ("spec.selector",),
    "DaemonSet": ("spec.selector",),
    "StatefulSet": ("spec.selector", "spec.serviceName", "spec.podManagementPolicy", "spec.volumeClaimTemplates"),
    "Job": (
        "spec.selector", "spec.template", "spec.completions", "spec.completionMode", "spec.podFailurePolicy",
        "spec.successPolicy", "spec.backoffLimitPerIndex", "spec.managedBy",
    ),
    "Service": ("spec.clusterIP", "spec.ipFamilies", "spec.loadBalancerClass"),
    "PersistentVolumeClaim": (
        "spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName", "spec.volumeMode",
        "spec.dataSource", "spec.dataSourceRef",
    ),
    "StorageClass": ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"),
    "RoleBinding": ("roleRef",),
    "ClusterRoleBinding": ("roleRef",),
    "PriorityClass": ("value", "preemptionPolicy"),
    "IngressClass": ("spec.controller",),
    "RuntimeClass": ("handler",),
    "CustomResourceDefinition": ("spec.scope", "spec.group", "spec.names.kind", "spec.names.plural"),
    "Secret": ("type",),
}  # fmt: skip

# what stands for a field of these that is not there
DEFAULTS = {
    "spec.podManagementPolicy": "OrderedReady",
    "spec.completionMode": "NonIndexed",
    "spec.volumeMode": "Filesystem",
    "reclaimPolicy": "Delete",
    "volumeBindingMode": "Immediate",
    "preemptionPolicy": "PreemptLowerPriority",
    "type": "Opaque",
}

# Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
QUANTITY = re.compile(r"([0-9.]+)([A-Za-z]*)")
SCALES = (
    {"": 1.0, "k": 1e3}
    | {unit: 1000.0**power for power, unit in enumerate("MGTPE", 2)}
    | {f"{unit}i": 1024.0**power for power, unit in enumerate("KMGTPE", 1)}
)


def recreation(before: Object, after: Object) -> str:
    """Why the object cannot be changed in place; "" where it can."""
    kind = after["kind"]
    for field in IMMUTABLE.get(kind, ()):
        was, is_now = (given(each, field) for each in (before, after))
        if was != is_now and not allowed(field, was, is_now):
            return f"{field} cannot be changed in place"
    if kind == "PersistentVolumeClaim":
        was, is_now = (dig(each, "spec", "resources", "requests", "storage") for each in (before, after))
        if quantity(is_now) < quantity(was):
            return f"a volume cannot shrink, here from {was} to {is_now}"
    if kind in {"ConfigMap", "Secret"} and before.get("immutable") is True:
        parts = ("data", "binaryData", "stringData", "immutable")
        if any(before.get(part) != after.get(part) for part in parts):
            return "it is marked as immutable"
    return ""


def given(each: Object, field: str) -> Any:
    value = dig(each, *field.split("."))
    return DEFAULTS.get(field) if value is None else value


def allowed(field: str, was: Any, is_now: Any) -> bool:
    """Whether the API server takes this change of a field all the same."""
    if field == "spec.clusterIP":  # what the cluster gives may be given up, or taken for good
        return None in (was, is_now) and "None" not in (was, is_now)
    if field == "spec.ipFamilies":  # a second one may come and go
        return not was or not is_now or was[0] == is_now[0]
    return field == "spec.volumeName" and was is None  # bound by hand


def quantity(text: Any) -> float:
    """A number of bytes as Kubernetes writes it; NaN, which is neither less nor more than any, where it is none."""
    found = QUANTITY.fullmatch(str(text))
    return float(found[1]) * SCALES.get(found[2], math.nan) if found else math.nan


def moved(before: Object, after: Object) -> str:
    """Why the object is another one at head; "" where it has its namespace and name."""
    old, new = before["metadata"], after["metadata"]
    if old.get("namespace") != new.get("namespace"):
        return f"it moves from namespace {old.get('namespace') or '(none)'} to {new.get('namespace') or '(none)'}"
    return f"it is called {new['name']} instead of {old['name']}" if old["name"] != new["name"] else ""


def of_verb(verb: Verb, before: Object | None, after: Object | None) -> Iterator[Danger]:
    if before is None or verb not in {"deleted", "recreated"}:
        return
    loss = LOSS.get(before["kind"], "what relies on it fails")
    if after is None:
        yield Danger("deletion", f"It is deleted: {loss}.")
    elif reason := moved(before, after):
        yield Danger("recreation", f"It is made anew, as {reason}, and the old one is deleted: {loss}.")
    else:
        reason = recreation(before, after)
        yield Danger("recreation", f"It must be deleted and made anew, as {reason}; in between, {loss}.")

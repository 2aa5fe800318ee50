"""Objects that are deleted, or must be deleted to be changed."""

from collections.abc import Iterator

from delivery.objects import Object, dig
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
    "Job": ("spec.selector", "spec.template", "spec.completionMode", "spec.manualSelector"),
    "Service": ("spec.clusterIP", "spec.ipFamilies", "spec.loadBalancerClass"),
    "PersistentVolumeClaim": (
        "spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName", "spec.volumeMode",
        "spec.dataSource",
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


def recreation(before: Object, after: Object) -> str:
    """Why the object cannot be changed in place; "" where it can."""
    kind = after["kind"]
    old, new = before["metadata"], after["metadata"]
    if old.get("namespace") != new.get("namespace"):
        return f"it moves from namespace {old.get('namespace') or '(none)'} to {new.get('namespace') or '(none)'}"
    for field in IMMUTABLE.get(kind, ()):
        was, is_now = dig(before, *field.split(".")), dig(after, *field.split("."))
        given_up = (
            kind == "Service" and field == "spec.clusterIP" and None in (was, is_now) and "None" not in (was, is_now)
        )
        if was != is_now and not given_up:
            return f"{field} cannot be changed in place"
    if kind in {"ConfigMap", "Secret"} and before.get("immutable") is True:
        parts = ("data", "binaryData", "stringData", "immutable")
        if any(before.get(part) != after.get(part) for part in parts):
            return "it is marked as immutable"
    return ""


def of_verb(verb: Verb, before: Object | None, reason: str) -> Iterator[Danger]:
    if before is None or verb not in {"deleted", "recreated"}:
        return
    loss = LOSS.get(before["kind"], "what relies on it fails")
    if verb == "deleted":
        yield Danger("deletion", f"It is deleted: {loss}.")
    else:
        yield Danger("recreation", f"It must be deleted and made anew, as {reason}; in between, {loss}.")

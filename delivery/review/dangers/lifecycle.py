"""Objects that are deleted, or must be deleted to be changed."""

from collections.abc import Iterator
from typing import Any

from delivery.manifests import Object, dig
from delivery.quantity import amount
from delivery.review.around import MAKERS, Around, namespace_of
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
    "GCPBackendPolicy": "the time-outs, draining and protection that it sets no longer apply",
    "GCPGatewayPolicy": "its listeners take every version of TLS that Google takes by default",
    "FrontendConfig": "its Ingress takes every version of TLS that Google takes by default",
    "BackendConfig": "the time-outs, draining and protection that it sets no longer apply",
    "HealthCheckPolicy": "the load balancer chooses by its own rules which pods get requests",
    "HTTPRoute": "requests that it routed are answered with 404",
    "Ingress": "requests that it routed are no longer answered",
    "NetworkPolicy": "traffic that only it allows stops, and traffic that only it isolates is let in",
    "Role": "whoever has it may no longer do what it grants",
    "ClusterRole": "whoever has it may no longer do what it grants",
    "RoleBinding": "its subjects may no longer do what it grants",
    "ClusterRoleBinding": "its subjects may no longer do what it grants",
    "PersistentVolume": "the data on it may go",
    "CronJob": "it no longer runs",
    "Job": "what it has not done yet stays undone",
    "ResourceQuota": "nothing limits what its namespace takes",
    "LimitRange": "containers that say no limits get none",
    "MutatingWebhookConfiguration": "objects that it changes stay as they are written",
    "ValidatingWebhookConfiguration": "objects that it refuses are taken",
    "PodDisruptionBudget": "a drain of nodes may take all pods at once",
    "HorizontalPodAutoscaler": "the number of pods no longer follows the load",
    "PrometheusRule": "its alerts and recording rules go",
    "ServiceMonitor": "its metrics are no longer collected, and alerts on them fall silent",
    "PodMonitor": "its metrics are no longer collected, and alerts on them fall silent",
    "AlertmanagerConfig": "alerts that it routes reach nobody through it",
    "HelmRelease": "all that its chart installed goes",
    "HelmRepository": "releases of its charts are no longer updated",
    "Secret": "pods that read it do not start any more",
    "ConfigMap": "pods that read it do not start any more",
    "ServiceAccount": "pods that run as it do not start any more",
}

# what happens where an object is made again, in place of what its loss means
AGAIN = {"Job": "it runs once more"}

# what pods read, or run as: they start without it only if none of them does
READ = {"ConfigMap", "Secret", "ServiceAccount"}

# of these another name changes nothing: the deploy makes the new one before it deletes the old one
NAMELESS = {
    *("NetworkPolicy", "PodDisruptionBudget", "HorizontalPodAutoscaler", "HTTPRoute"),
    *("PrometheusRule", "ServiceMonitor", "PodMonitor", "AlertmanagerConfig"),
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


def recreation(before: Object, after: Object) -> str:
    """Why the object cannot be changed in place; "" where it can."""
    kind = after["kind"]
    for field in IMMUTABLE.get(kind, ()):
        was, is_now = (given(each, field) for each in (before, after))
        if was != is_now and not allowed(field, was, is_now):
            return f"{field} cannot be changed in place"
    if kind == "PersistentVolumeClaim":
        was, is_now = (dig(each, "spec", "resources", "requests", "storage") for each in (before, after))
        sizes = amount(was), amount(is_now)
        if sizes[0] is not None and sizes[1] is not None and sizes[1] < sizes[0]:
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


def moved(before: Object, after: Object) -> str:
    """Why the object is another one at head; "" where it has its namespace and name."""
    old, new = before["metadata"], after["metadata"]
    if old.get("namespace") != new.get("namespace"):
        return f"it moves from namespace {old.get('namespace') or '(none)'} to {new.get('namespace') or '(none)'}"
    return f"it is called {new['name']} instead of {old['name']}" if old["name"] != new["name"] else ""


def of_verb(verb: Verb, before: Object | None, after: Object | None, around: Around) -> Iterator[Danger]:
    if before is None or verb not in {"deleted", "recreated"}:
        return
    kind, name = before["kind"], before["metadata"]["name"]
    loss = LOSS.get(kind, "what relies on it fails")
    if after is not None and not moved(before, after):
        reason = recreation(before, after)
        consequence = f": {AGAIN[kind]}" if kind in AGAIN else f"; in between, {loss}"
        yield Danger("recreation", f"It must be deleted and created again, as {reason}{consequence}.")
        return
    renamed = after is not None and namespace_of(before) == namespace_of(after)
    if renamed and kind in NAMELESS:
        return
    if after is None and (other := successor(before, around)):
        loss = f"{loss}, and {other} takes their place"
    if kind in READ:
        readers = around.after.readers(kind, namespace_of(before), name)
        loss = f"{listed(readers)} still reads it, and pods of it do not start any more" if readers else ""
        if kind == "ServiceAccount" and readers:
            loss = f"{listed(readers)} still runs as it, and pods of it do not start any more"
    if after is None and (kind != "ConfigMap" or loss):  # one that no pod reads does nothing
        yield Danger("deletion", f"It is deleted: {loss or 'nothing in this overlay needs it any more'}.")
    elif after is not None and loss:
        yield Danger(
            "recreation",
            f"It is created again, as {moved(before, after)}, and the old one is deleted: {AGAIN.get(kind, loss)}.",
        )


def successor(before: Object, around: Around) -> str:
    """The new workload of another kind that has the name of a deleted one; "" where there is none."""
    if before["kind"] not in MAKERS:
        return ""
    place = (namespace_of(before), before["metadata"]["name"])
    for each in around.after.workloads:
        here = (namespace_of(each.value), each.value["metadata"]["name"])
        if here == place and around.before.number(each.value["kind"], *place) is None:
            return f"{each.value['kind']}/{place[1]}"
    return ""


def listed(names: list[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more

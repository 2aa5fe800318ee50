"""Whether an object is ready, by its status: as Flux's `wait` judges it, and by the conditions of kinds that have more.

Sources: sigs.k8s.io/cli-utils/pkg/kstatus, https://gateway-api.sigs.k8s.io/geps/gep-1364/,
https://cert-manager.io/docs/reference/api-docs/#cert-manager.io/v1.CertificateStatus and
https://docs.cloud.google.com/kubernetes-engine/docs/how-to/managed-certs#status
"""

from collections.abc import Iterator
from typing import NamedTuple

from delivery.deploy.progress import WORKLOADS
from delivery.manifests import Object, dig

GATEWAY = "gateway.networking.k8s.io"
REQUIRED = {
    (GATEWAY, "Gateway"): ("Accepted", "Programmed"),
    ("autoscaling", "HorizontalPodAutoscaler"): ("AbleToScale",),
    ("batch", "Job"): ("Complete",),
    ("", "Pod"): ("Ready",),
    ("cert-manager.io", "Certificate"): ("Ready",),
    ("cert-manager.io", "ClusterIssuer"): ("Ready",),
    ("cert-manager.io", "Issuer"): ("Ready",),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): ("Established",),
    ("apiregistration.k8s.io", "APIService"): ("Available",),
}
"""Conditions that must be true, by group and kind. Each has a controller that sets them."""
SHOWN = ("Ready", "Attached")
"""Conditions that must be true on objects of any other kind that show them; `Attached` is of GKE's policies."""
PHASES = {
    ("networking.gke.io", "ManagedCertificate"): ("certificateStatus", "Active"),
}
"""A field of the status, and what it says of an object that is ready."""
ROUTE_CONDITIONS = ("Accepted", "ResolvedRefs")
NEVER_CHANGING = {
    "ConfigMap",
    "Secret",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ClusterRole",
    "ClusterRoleBinding",
    "Namespace",
    "NetworkPolicy",
    "Service",
    *WORKLOADS,
}
"""Kinds without a notion of ready, and those whose rollout is watched pod by pod (rollout.py)."""


class Lack(NamedTuple):
    """What an object lacks to be ready, in words; whether time does not change that."""

    sentence: str
    is_final: bool = False


def may_wait(each: Object) -> bool:
    """Whether an object is of a kind that may have to get ready."""
    return each["kind"] not in NEVER_CHANGING


def lack(live: Object) -> Lack | None:
    """What an object still lacks; None once it is ready."""
    return next(_lacks(live), None)


def _lacks(live: Object) -> Iterator[Lack]:
    status = live.get("status") or {}
    kind = (live["apiVersion"].rpartition("/")[0], live["kind"])
    conditions = {each["type"]: each for each in status.get("conditions") or []}
    for final in ("Stalled", *(("Failed",) if kind == ("batch", "Job") else ())):
        if conditions.get(final, {}).get("status") == "True":
            yield Lack(f"{final}: {why(conditions[final])}", is_final=True)
    if kind == ("batch", "Job") and dig(live, "spec", "suspend"):
        return  # somebody starts it later
    if is_stale(status, live):
        yield Lack("its controller has not seen the change yet")
    if conditions.get("Reconciling", {}).get("status") == "True":
        yield Lack(f"Reconciling: {why(conditions['Reconciling'])}")
    yield from _unmet(conditions, REQUIRED.get(kind, ()), live)
    yield from _unmet(conditions, [name for name in SHOWN if name in conditions], live)
    if kind == ("", "PersistentVolumeClaim") and status.get("phase") == "Lost":
        # A pending one may wait for its first pod, and the rollout waits for the pod.
        yield Lack("its volume is lost", is_final=True)
    if kind in PHASES:
        name, wanted = PHASES[kind]
        if status.get(name) != wanted:
            yield Lack(f"{name} is {status.get(name) or 'not set yet'}, not {wanted}")
    if kind[0] == GATEWAY and kind[1].endswith("Route"):
        yield from _route(live)


def _unmet(conditions: dict[str, Object], names: tuple[str, ...] | list[str], live: Object) -> Iterator[Lack]:
    for name in names:
        condition = conditions.get(name)
        if condition is None:
            yield Lack(f"{name} is not set yet: no controller has taken it up")
        elif is_stale(condition, live):
            yield Lack("its controller has not seen the change yet")
        elif condition["status"] != "True":
            yield Lack(f"{name} is {condition['status']}: {why(condition)}")


def _route(live: Object) -> Iterator[Lack]:
    """What a route lacks at one of the gateways that it wants to be a route of."""
    answers = dig(live, "status", "parents") or []
    for parent in dig(live, "spec", "parentRefs") or []:
        name = "/".join(parent[key] for key in ("name", "sectionName") if parent.get(key))
        found = [each for each in answers if is_same_parent(each["parentRef"], parent)]
        if not found:
            yield Lack(f"Gateway {name} has not taken it up yet")
        for each in found:
            conditions = {condition["type"]: condition for condition in each.get("conditions") or []}
            for unmet in _unmet(conditions, ROUTE_CONDITIONS, live):
                yield unmet._replace(sentence=f"at Gateway {name}: {unmet.sentence}")


def is_same_parent(answered: Object, wanted: Object) -> bool:
    return all(answered.get(key) == wanted.get(key) for key in ("name", "sectionName", "port"))


def is_stale(status: Object, live: Object) -> bool:
    """Whether a status or a condition is about an older generation of the object."""
    seen = status.get("observedGeneration")
    return seen is not None and seen < live["metadata"].get("generation", 0)


def why(condition: Object) -> str:
    return condition.get("message") or condition.get("reason") or "no reason given"

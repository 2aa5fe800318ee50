"""How far the rollout of a workload is, by its status alone.

Source: kubernetes/kubectl pkg/polymorphichelpers/rollout_status.go
"""

from collections.abc import Iterator

from delivery.manifests import Object, dig

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")


def missing(workload: Object) -> str:
    """What the rollout still waits for, in words; "" once it is complete."""
    if (dig(workload, "status", "observedGeneration") or 0) < workload["metadata"].get("generation", 0):
        return "waiting for its controller to see the change"
    return next(_missing(workload), "")


def _missing(workload: Object) -> Iterator[str]:
    status = workload.get("status", {})
    if workload["kind"] == "DaemonSet":
        wanted = status.get("desiredNumberScheduled", 0)
        updated, ready = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    else:
        replicas = dig(workload, "spec", "replicas")
        wanted = 1 if replicas is None else replicas
        updated, ready = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if workload["kind"] == "StatefulSet":
        wanted_new = max(0, wanted - (dig(workload, "spec", "updateStrategy", "rollingUpdate", "partition") or 0))
    else:
        wanted_new = wanted
    if updated < wanted_new:
        yield f"waiting for new pods: {updated} of {wanted_new} are there"
    if workload["kind"] == "Deployment" and status.get("replicas", 0) > updated:
        yield f"waiting for old pods to end: {status['replicas'] - updated} are left"
    if ready < wanted:
        yield f"waiting for pods to become available: {ready} of {wanted} are"

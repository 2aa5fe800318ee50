"""When a workload has rolled out, by its status."""

from typing import Any

import pytest

from delivery.deploy.progress import missing


def workload(kind: str, spec: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"generation": 2}, "spec": spec, "status": {"observedGeneration": 2} | status}


DONE = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
SCHEDULED = {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3}


@pytest.mark.parametrize(
    ("kind", "spec", "status", "left"),
    [
        ("Deployment", {"replicas": 2}, DONE, ""),
        (
            "Deployment",
            {"replicas": 2},
            DONE | {"observedGeneration": 1},
            "waiting for its controller to see the change",
        ),
        ("Deployment", {"replicas": 2}, DONE | {"updatedReplicas": 1}, "waiting for new pods: 1 of 2 are there"),
        ("Deployment", {"replicas": 2}, DONE | {"replicas": 3}, "waiting for old pods to end: 1 are left"),
        (
            "Deployment",
            {"replicas": 2},
            DONE | {"availableReplicas": 1},
            "waiting for pods to become available: 1 of 2 are",
        ),
        ("Deployment", {"replicas": 0}, {}, ""),
        ("Deployment", {}, {}, "waiting for new pods: 0 of 1 are there"),
        ("StatefulSet", {"replicas": 2}, DONE, ""),
        ("StatefulSet", {"replicas": 2}, DONE | {"updatedReplicas": 1}, "waiting for new pods: 1 of 2 are there"),
        (
            "StatefulSet",
            {"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": 1}}},
            DONE | {"updatedReplicas": 1},
            "",
        ),
        ("DaemonSet", {}, SCHEDULED, ""),
        ("DaemonSet", {}, SCHEDULED | {"numberAvailable": 1}, "waiting for pods to become available: 1 of 3 are"),
    ],
)
def test_it_says_what_it_waits_for(kind: str, spec: dict[str, Any], status: dict[str, Any], left: str) -> None:
    assert missing(workload(kind, spec, status)) == left

"""Which fields are foreign, by managedFields alone; test_foreign_fields.py asks a real API server."""

from typing import Any

import pytest

from delivery.deploy.foreign import foreign, own_tree, taken_over, without
from delivery.tools.kubectl import MANAGER

API, SIDE = 'k:{"name":"api"}', 'k:{"name":"side"}'
OURS = {"f:metadata": {"f:labels": {"f:app": {}}}, "f:spec": {"f:containers": {API: {".": {}, "f:name": {}}}}}
THEIRS = {
    "f:metadata": {"f:annotations": {".": {}, "f:mine": {}}, "f:finalizers": {".": {}, 'v:"hold"': {}}},
    "f:spec": {"f:containers": {API: {"f:tty": {}}, SIDE: {".": {}, "f:name": {}, "f:image": {}}}},
    "f:status": {"f:ready": {}},
}


def entry(manager: str, operation: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsV1": fields}


def pod(*entries: dict[str, Any]) -> dict[str, Any]:
    metadata = {
        "name": "one",
        "labels": {"app": "x"},
        "annotations": {"mine": "1"},
        "finalizers": ["hold"],
        "managedFields": list(entries),
    }
    containers = [{"name": "api", "tty": True, "image": "a"}, {"name": "side", "image": "b"}]
    spec = {"containers": containers}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {"ready": True}}


def test_it_names_fields_and_whole_items_and_leaves_known_ones_out() -> None:
    found = foreign(pod(entry(MANAGER, "Apply", OURS), entry("kubectl-edit", "Update", THEIRS)))
    assert {(each.path, each.manager) for each in found} == {
        ("metadata.annotations.mine", "kubectl-edit"),
        ("metadata.finalizers[hold]", "kubectl-edit"),
        ("spec.containers[api].tty", "kubectl-edit"),
        ("spec.containers[side]", "kubectl-edit"),
    }


def test_an_update_under_our_own_name_is_foreign_too() -> None:
    found = foreign(pod(entry(MANAGER, "Apply", OURS), entry(MANAGER, "Update", THEIRS)))
    assert len(found) == 4


def test_without_them_the_object_is_as_before() -> None:
    live = pod(entry(MANAGER, "Apply", OURS), entry("me", "Update", THEIRS))
    bare = without(live, foreign(live))
    assert bare["spec"] == {"containers": [{"name": "api", "image": "a"}]}
    assert "annotations" not in bare["metadata"]
    assert bare["metadata"]["finalizers"] == []
    assert live["spec"]["containers"][1]["name"] == "side"


def test_taken_over_they_are_ours_and_nobody_elses() -> None:
    live = pod(entry(MANAGER, "Apply", OURS), entry("me", "Update", THEIRS))
    changed = taken_over(live, foreign(live))
    assert foreign(changed) == []
    own = own_tree(changed)
    assert own["f:spec"]["f:containers"][SIDE] == {".": {}, "f:name": {}, "f:image": {}}
    assert own["f:spec"]["f:containers"][API] == {".": {}, "f:name": {}, "f:tty": {}}
    (theirs,) = [each for each in changed["metadata"]["managedFields"] if each["manager"] == "me"]
    assert theirs["fieldsV1"] == {"f:status": {"f:ready": {}}}


@pytest.mark.parametrize(
    ("kind", "finalizer", "is_known"),
    [
        ("Service", "service.kubernetes.io/load-balancer-cleanup", True),
        ("Service", "gke.networking.io/l4-netlb-v3", True),
        ("Service", "networking.gke.io/neg-finalizer", True),
        ("Gateway", "gateway.finalizer.networking.gke.io", True),
        ("PersistentVolumeClaim", "kubernetes.io/pvc-protection", True),
        ("ConfigMap", "service.kubernetes.io/load-balancer-cleanup", False),
        ("Service", "example.com/hold", False),
    ],
)
def test_finalizers_of_known_controllers_are_not_foreign(kind: str, finalizer: str, *, is_known: bool) -> None:
    fields: dict[str, Any] = {"f:metadata": {"f:finalizers": {".": {}, f'v:"{finalizer}"': {}}}}
    metadata = {"name": "a", "finalizers": [finalizer], "managedFields": [entry("any", "Update", fields)]}
    found = foreign({"apiVersion": "v1", "kind": kind, "metadata": metadata})
    assert [each.path for each in found] == ([] if is_known else [f"metadata.finalizers[{finalizer}]"])


def test_replicas_that_no_manifest_has_are_one_or_the_autoscalers() -> None:
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"replicas": 3}}
    assert [each.path for each in foreign(deployment)] == ["spec.replicas"]
    assert foreign(deployment, autoscaled=True) == []
    deployment["spec"] = {"replicas": 0}
    assert [each.path for each in foreign(deployment, autoscaled=True)] == ["spec.replicas"]
    deployment["spec"] = {"replicas": 1}
    assert foreign(deployment) == []


def test_a_map_that_was_empty_when_somebody_wrote_it_is_not_his_with_what_is_in_it_now() -> None:
    empty: dict[str, Any] = {"f:metadata": {"f:annotations": {}}}
    revision: dict[str, Any] = {"f:metadata": {"f:annotations": {".": {}, "f:deployment.kubernetes.io/revision": {}}}}
    deployment = pod(entry("me", "Apply", empty), entry("kube-controller-manager", "Update", revision))
    deployment |= {"kind": "Deployment", "spec": {"replicas": 1}}
    deployment["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "1"}
    assert foreign(deployment) == []


def test_a_map_of_ours_that_is_empty_again_stays() -> None:
    live = pod(
        entry(MANAGER, "Apply", {"f:spec": {"f:volumes": {SIDE: {".": {}, "f:name": {}, "f:emptyDir": {}}}}}),
        entry("me", "Update", {"f:spec": {"f:volumes": {SIDE: {"f:emptyDir": {"f:medium": {}}}}}}),
    )
    live["spec"] = {"volumes": [{"name": "side", "emptyDir": {"medium": "Memory"}}]}
    assert without(live, foreign(live))["spec"] == {"volumes": [{"name": "side", "emptyDir": {}}]}


def test_labels_that_the_maker_of_a_namespace_set_are_not_foreign() -> None:
    labels: dict[str, Any] = {"f:metadata": {"f:labels": {".": {}, "f:kubernetes.io/metadata.name": {}, "f:app": {}}}}
    namespace = {**pod(entry("kubectl-create", "Update", labels)), "kind": "Namespace"}
    assert foreign(namespace) == []
    applied: dict[str, Any] = {"f:metadata": {"f:labels": {"f:app": {}}}}
    namespace["metadata"] |= {"creationTimestamp": "2026-01-01T00:00:00Z"}
    namespace["metadata"]["managedFields"] = [{**entry("Terraform", "Apply", applied), "time": "2026-01-01T00:00:00Z"}]
    assert foreign(namespace) == []
    namespace["metadata"]["managedFields"][0]["time"] = "2026-01-01T00:00:01Z"
    assert [each.path for each in foreign(namespace)] == ["metadata.labels.app"]

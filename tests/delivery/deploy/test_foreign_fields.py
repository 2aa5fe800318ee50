"""Fields that somebody adds by hand: plan and deploy show them, and deploy removes them, or leaves what is allowed."""

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.delivery.deploy.project import Project
from tests.support.cluster.gateway import gateways_work
from tests.support.cluster.kubelet import GOOD

pytestmark = pytest.mark.slow

API = "taskpulse-api"
FIELDS = Path(__file__).with_name("foreign.yaml")
BUILT_IN = (
    "ConfigMap",
    "Deployment",
    "HorizontalPodAutoscaler",
    "Namespace",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "Secret",
    "Service",
    "ServiceAccount",
)
DEFINED = (
    "AlertmanagerConfig",
    "GCPBackendPolicy",
    "Gateway",
    "HTTPRoute",
    "HealthCheckPolicy",
    "Probe.v1.monitoring.coreos.com",
    "PrometheusRule",
    "ServiceMonitor",
)
KINDS = ",".join(each for each in (*BUILT_IN, *DEFINED) if each != "Namespace")
OTHERS = re.compile(r"taskpulse-release-\d+|default|kube-root-ca\.crt|owner")
"""Names of objects in the namespace that no deploy applies."""


def kubectl(project: Project, *arguments: str, stdin: str | None = None) -> str:
    return project.cluster.kubectl(*arguments, f"--namespace={project.namespace}", stdin=stdin)


def patch(project: Project, kind: str, name: str, **fields: Any) -> None:
    kubectl(project, "patch", kind, name, "--type=strategic", f"--patch={json.dumps(fields)}")


def add_sidecar(project: Project) -> None:
    container = {"name": "side", "image": GOOD}
    patch(project, "deployment", API, spec={"template": {"spec": {"containers": [container]}}})


def add_key(project: Project) -> None:
    (name,) = [each for each in project.names("configmaps") if each.startswith("taskpulse-api-")]
    patch(project, "configmap", name, data={"EXTRA": "1"})


def edit_as_we_apply(project: Project) -> None:
    """As somebody does who applies a manifest of his own server-side."""
    manifest = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": API, "labels": {"team": "x"}}}
    kubectl(project, "apply", "--server-side", "--field-manager=me", "--filename=-", stdin=json.dumps(manifest))


def apply_client_side(project: Project) -> None:
    """As somebody does who edits a copy of what is there and applies it."""
    live = project.cluster.get("hpa", API, f"--namespace={project.namespace}")
    spec = live["spec"] | {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 5}}}
    manifest = {key: live[key] for key in ("apiVersion", "kind")} | {"metadata": {"name": API}, "spec": spec}
    kubectl(project, "apply", "--filename=-", stdin=json.dumps(manifest))


def own_by_hand(project: Project) -> None:
    """Have an object deleted together with one that no deploy knows."""
    kubectl(project, "create", "configmap", "owner")
    owner = project.cluster.get("configmap", "owner", f"--namespace={project.namespace}")
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    patch(project, "networkpolicy", "dns", metadata={"ownerReferences": [reference]})


CASES: dict[str, tuple[Callable[[Project], object], str, list[str]]] = {
    "variable": (
        lambda project: kubectl(project, "set", "env", f"deployment/{API}", "--containers=api", "DEBUG=1"),
        "Deployment",
        ["spec.template.spec.containers[api].env[DEBUG]: {'name': 'DEBUG', 'value': '1'} -> none"],
    ),
    "sidecar": (add_sidecar, "Deployment", ["spec.template.spec.containers[side]: "]),
    "resource-limit": (
        lambda project: kubectl(project, "set", "resources", f"deployment/{API}", "--containers=api", "--limits=cpu=2"),
        "Deployment",
        ["spec.template.spec.containers[api].resources.limits.cpu: 2 -> none"],
    ),
    "pause": (
        lambda project: kubectl(project, "rollout", "pause", f"deployment/{API}"),
        "Deployment",
        ["spec.paused: True -> none"],
    ),
    "egress": (
        lambda project: patch(project, "networkpolicy", "default-deny", spec={"egress": [{}]}),
        "NetworkPolicy",
        ["spec.egress: [{}] -> none"],
    ),
    "port": (
        lambda project: patch(project, "service", API, spec={"ports": [{"name": "extra", "port": 81}]}),
        "Service",
        ["spec.ports[extra]: "],
    ),
    "default-changed": (
        lambda project: patch(project, "service", API, spec={"sessionAffinity": "ClientIP"}),
        "Service",
        ["spec.sessionAffinity: ClientIP -> None", "spec.sessionAffinityConfig: "],
    ),
    "key": (add_key, "ConfigMap", ["data.EXTRA: 1 -> none"]),
    "label": (edit_as_we_apply, "Service", ["metadata.labels.team: x -> none"]),
    "annotation-of-the-namespace": (
        lambda project: project.cluster.kubectl("annotate", "namespace", project.namespace, "mine=1"),
        "Namespace",
        ["metadata.annotations"],
    ),
    "client-side-apply": (apply_client_side, "HorizontalPodAutoscaler", ["spec.behavior"]),
    "finalizer": (
        lambda project: patch(project, "networkpolicy", "dns", metadata={"finalizers": ["example.com/hold"]}),
        "NetworkPolicy",
        ["metadata.finalizers: ['example.com/hold'] -> none"],
    ),
    "owner": (own_by_hand, "NetworkPolicy", ["metadata.ownerReferences: [{"]),
    "custom-resource": (
        lambda project: kubectl(
            project, "patch", "servicemonitor", API, "--type=merge", '--patch={"spec": {"targetLimit": 1}}'
        ),
        "ServiceMonitor",
        ["spec.targetLimit: 1 -> none"],
    ),
}


@pytest.mark.parametrize(("change", "kind", "lines"), CASES.values(), ids=CASES)
def test_what_is_added_is_shown_and_removed(
    project: Project, change: Callable[[Project], object], kind: str, lines: list[str]
) -> None:
    project.deployed()
    before = essence(project)
    change(project)
    assert essence(project) != before
    planned = project.plan()
    (action,) = planned.values()
    assert (action["kind"], action["action"], action["fields"]) == (kind, "put back", [])
    for line in lines:
        assert any(shown.startswith(line) for shown in action["drift"]), action
    assert action["reason"].startswith("changed since the last deploy by ")
    result = project.deploy()
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"    removing from {kind}/" in result.stdout
    assert essence(project) == before
    assert project.plan() == {}


def essence(project: Project) -> list[Any]:
    """Everything that a deploy applies, without what changes at every write."""
    found = project.cluster.get(KINDS, f"--namespace={project.namespace}")["items"]
    found = [each for each in found if not OTHERS.fullmatch(each["metadata"]["name"])]
    found.append(project.cluster.get("namespace", project.namespace))
    for each in found:
        each.pop("status", None)
        for name in ("generation", "resourceVersion", "uid", "creationTimestamp"):
            each["metadata"].pop(name, None)
        each["metadata"].get("annotations", {}).pop("deployment.kubernetes.io/revision", None)
    return found


def test_fields_of_every_kind_are_shown_and_removed_together(project: Project) -> None:
    added = yaml.safe_load(FIELDS.read_text().replace("NAMESPACE", project.namespace))
    project.commit(resources=["../overlays/main"])
    with gateways_work(project.cluster, project.namespace):
        kinds = {each["kind"] for each in project.deployed()["plan"]}
    assert {each["object"].partition("/")[0] for each in added} == kinds
    before = essence(project)
    for each in added:
        kind, _, name = each["object"].partition("/")
        sort = "strategic" if kind in BUILT_IN else "merge"
        kubectl(project, "patch", kind, name, f"--type={sort}", f"--patch={json.dumps(each['patch'])}")
    planned = project.plan()
    missing = [line for each in added for line in each["shown"] if not shows(planned.get(each["object"]), line)]
    assert not missing, planned
    with gateways_work(project.cluster, project.namespace):
        result = project.deploy()
    assert result.returncode == 0, result.stdout + result.stderr
    assert "hunter2" not in json.dumps(planned) + result.stdout
    assert essence(project) == before
    assert project.plan() == {}


def shows(action: dict[str, Any] | None, start: str) -> bool:
    return action is not None and any(line.startswith(start) for line in action["drift"])


def test_no_default_of_any_kind_is_taken_for_a_foreign_field(project: Project) -> None:
    """Somebody else holds every field of every object, those that the API server filled in among them."""
    project.commit(resources=["../overlays/main"])
    with gateways_work(project.cluster, project.namespace):
        project.deployed()
    listed = {"apiVersion": "v1", "kind": "List", "items": essence(project)}
    arguments = ("--server-side", "--force-conflicts", "--field-manager=me", "--filename=-")
    project.cluster.kubectl("apply", *arguments, stdin=json.dumps(listed))
    assert project.plan() == {}


def test_what_is_added_goes_with_the_change_in_one_rollout(project: Project) -> None:
    project.deployed()
    add_sidecar(project)
    commit = project.commit()
    project.deployed()
    assert project.running() == {(GOOD, commit)}
    sets = project.cluster.get("replicasets", f"--namespace={project.namespace}")["items"]
    assert len(sets) == 3  # as deployed, with the sidecar, and the new commit without


def test_a_key_added_to_a_secret_is_named_and_removed_and_its_value_is_nowhere(project: Project) -> None:
    project.deployed()
    encoded = base64.b64encode(b"by hand").decode()
    patch(project, "secret", "taskpulse-metrics", data={"extra": encoded})
    action = project.plan()["Secret/taskpulse-metrics"]
    assert (action["action"], action["drift"]) == ("put back", ["data.extra: added by kubectl-patch"])
    result = project.deploy()
    assert "removing from Secret/taskpulse-metrics what others added: data.extra: added by" in result.stdout
    assert encoded not in result.stdout
    secret = project.cluster.get("secret", "taskpulse-metrics", f"--namespace={project.namespace}")
    assert secret["data"].keys() == {"token"}


def test_what_delivery_yaml_allows_stays_and_is_not_shown(project: Project) -> None:
    rules = [{"field": "spec.sessionAffinity"}, {"kinds": ["Service"], "field": "spec.sessionAffinityConfig"}]
    (project.folder / "delivery.yaml").write_text(json.dumps({"foreign": rules}))
    project.deployed()
    patch(project, "service", API, spec={"sessionAffinity": "ClientIP"})
    assert project.plan() == {}
    project.deployed()
    service = project.cluster.get("service", API, f"--namespace={project.namespace}")
    assert service["spec"]["sessionAffinity"] == "ClientIP"


def test_what_controllers_set_is_not_shown(project: Project) -> None:
    project.deployed()
    kubectl(project, "rollout", "restart", f"deployment/{API}")
    kubectl(project, "scale", f"deployment/{API}", "--replicas=3")
    kubectl(project, "annotate", "service", API, 'cloud.google.com/neg-status={"zones": []}')
    balancer = {"loadBalancer": {"ingress": [{"ip": "127.0.0.9"}]}}
    kubectl(project, "patch", "service", API, "--subresource=status", f"--patch={json.dumps({'status': balancer})}")
    finalizers = ["service.kubernetes.io/load-balancer-cleanup"]
    patch(project, "service", API, metadata={"finalizers": finalizers})
    try:
        assert project.plan() == {}
        project.deployed()
        service = project.cluster.get("service", API, f"--namespace={project.namespace}")
        assert service["status"]["loadBalancer"]["ingress"][0]["ip"] == "127.0.0.9"
        assert service["metadata"]["finalizers"] == finalizers
    finally:
        kubectl(project, "patch", "service", API, "--type=merge", '--patch={"metadata": {"finalizers": null}}')


def test_zero_replicas_switch_the_autoscaler_off_and_are_removed(project: Project) -> None:
    project.deployed()
    kubectl(project, "scale", f"deployment/{API}", "--replicas=0")
    assert project.plan()["Deployment/taskpulse-api"]["drift"] == ["spec.replicas: 0 -> 1"]
    project.deployed()
    assert project.running() == {(GOOD, project.head())}


def test_a_default_that_somebody_writes_out_is_no_difference(project: Project) -> None:
    project.deployed()
    manifest = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": API},
        "spec": {"sessionAffinity": "None", "internalTrafficPolicy": "Cluster"},
    }
    kubectl(project, "apply", "--server-side", "--field-manager=me", "--filename=-", stdin=json.dumps(manifest))
    assert project.plan() == {}


def test_an_object_whose_field_managers_somebody_cleared_is_compared_whole(project: Project) -> None:
    project.deployed()
    cleared = {"metadata": {"managedFields": [{}], "labels": {"mine": "1"}}}
    kubectl(project, "patch", "service", API, "--type=merge", f"--patch={json.dumps(cleared)}")
    project.deployed()
    labels = project.cluster.get("service", API, f"--namespace={project.namespace}")["metadata"]["labels"]
    assert "mine" not in labels
    assert project.plan() == {}


def test_a_namespace_that_somebody_else_made_keeps_the_labels_of_its_maker(project: Project) -> None:
    theirs = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": project.namespace, "labels": {"team": "a"}}}
    project.cluster.kubectl("create", "--filename=-", stdin=json.dumps(theirs))
    project.deployed()
    project.cluster.kubectl("label", "namespace", project.namespace, "by-hand=1")
    assert project.plan()[f"Namespace/{project.namespace}"]["drift"] == ["metadata.labels.by-hand: 1 -> none"]
    project.deployed()
    labels = project.cluster.get("namespace", project.namespace)["metadata"]["labels"]
    assert (labels["team"], labels.get("by-hand")) == ("a", None)
    assert project.plan() == {}

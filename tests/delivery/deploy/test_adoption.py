"""Objects that somebody made by hand: a deploy refuses them until they are marked, and gives them back if it fails."""

import json
import re
import shlex
from typing import Any

import pytest

from tests.delivery.deploy.project import Project
from tests.delivery.deploy.test_killed import HEALTHY, killed_after
from tests.support.cluster.kubelet import CRASHES, GOOD

pytestmark = pytest.mark.slow

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
COMMAND = re.compile(r"`kubectl ([^`]+)`")


def kubectl(project: Project, *arguments: str, stdin: str | None = None) -> str:
    return project.cluster.kubectl(*arguments, f"--namespace={project.namespace}", stdin=stdin)


def config(name: str, **data: str) -> str:
    labels = {"app.kubernetes.io/part-of": "taskpulse", "team": "mine"}
    metadata = {"name": name, "labels": labels}
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def state(project: Project, kind: str, name: str) -> dict[str, Any]:
    """An object without what every write changes, and without what is not of its spec."""
    found: dict[str, Any] = project.cluster.get(kind, name, f"--namespace={project.namespace}")
    metadata = {key: found["metadata"].get(key) for key in ("annotations", "labels", "uid")}
    (metadata["annotations"] or {}).pop("deployment.kubernetes.io/revision", None)
    return {"metadata": metadata, **{key: found[key] for key in ("data", "spec") if key in found}}


def mark(project: Project, *objects: str) -> None:
    kubectl(project, "annotate", *objects, f"taskpulse/adopt={project.overlay.name}")


def with_configs(project: Project, *names: str) -> None:
    for name in names:
        project.commit(**project.with_settings(name, a="1"))


def test_it_works(project: Project) -> None:
    project.deployed()
    kubectl(project, "create", "--filename=-", stdin=config("created", a="1"))
    kubectl(project, "apply", "--filename=-", stdin=config("applied", a="9", b="2"))
    arguments = ("apply", "--server-side", "--field-manager=me", "--filename=-")
    kubectl(project, *arguments, stdin=config("theirs", a="9"))
    with_configs(project, "created", "applied", "theirs")
    before = [state(project, "configmap", name) for name in ("created", "applied", "theirs")]

    planned = project.plan()
    del planned["Deployment/taskpulse-api"]
    refused = {"ConfigMap/created": "kubectl-create", "ConfigMap/applied": "kubectl-client-side-apply"}
    refused["ConfigMap/theirs"] = "me"
    assert planned.keys() == refused.keys()
    for key, manager in refused.items():
        assert planned[key]["action"] == "refuse"
        assert planned[key]["reason"].startswith(
            f"it is there and was not made by a deploy; its fields were set by {manager}. "
        )
    assert {"data.a: 9 -> 1", "data.b: 2 -> none"} <= {*planned["ConfigMap/applied"]["fields"]}
    result = project.deploy()
    assert result.returncode == 1
    assert "ConfigMap/theirs: it is there and was not made by a deploy" in result.stderr
    assert [state(project, "configmap", name) for name in ("created", "applied", "theirs")] == before

    for action in planned.values():
        (command,) = COMMAND.findall(action["reason"])
        project.cluster.kubectl(*shlex.split(command))
    planned = project.plan()
    assert {planned[key]["action"] for key in refused} == {"adopt"}
    assert "data.b: 2 -> none" in planned["ConfigMap/applied"]["drift"]
    assert "data.a: 9 -> 1" in planned["ConfigMap/applied"]["fields"]
    assert "    adopting ConfigMap/theirs: its fields were set by kubectl-annotate, me" in project.deploy().stdout
    for name, was in zip(("created", "applied", "theirs"), before, strict=True):
        now = state(project, "configmap", name)
        assert now == {
            "metadata": {"annotations": None, "labels": None, "uid": was["metadata"]["uid"]},
            "data": {"a": "1"},
        }
    assert project.plan() == {}

    project.commit(**project.without("theirs"))
    project.deployed()
    assert "theirs" not in project.names("configmaps")


def test_fields_that_delivery_yaml_allows_stay_with_the_adopted_object(project: Project) -> None:
    (project.folder / "delivery.yaml").write_text(json.dumps({"foreign": [{"field": "data.b"}]}))
    project.deployed()
    kubectl(project, "create", "--filename=-", stdin=config("extra", a="9", b="2"))
    mark(project, "configmap/extra")
    with_configs(project, "extra")
    project.deployed()
    assert state(project, "configmap", "extra")["data"] == {"a": "1", "b": "2"}
    assert project.plan() == {}


def test_what_helm_keeps_is_refused_though_it_is_marked(project: Project) -> None:
    project.deployed()
    made = json.loads(config("extra", a="1"))
    annotations = {"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": project.namespace}
    made["metadata"] |= {"annotations": annotations, "labels": {"app.kubernetes.io/managed-by": "Helm"}}
    kubectl(project, "apply", "--server-side", "--field-manager=helm", "--filename=-", stdin=json.dumps(made))
    mark(project, "configmap/extra")
    before = state(project, "configmap", "extra")
    with_configs(project, "extra")
    result = project.deploy()
    assert result.returncode == 1
    assert "ConfigMap/extra: it belongs to Helm (annotation meta.helm.sh/release-name: web)." in result.stderr
    assert state(project, "configmap", "extra") == before


def test_a_first_deploy_that_fails_gives_back_all_that_was_applied_by_hand(project: Project) -> None:
    """Somebody ran `kubectl apply -k`, and changed objects since."""
    project.cluster.kubectl("create", "namespace", project.namespace)
    kubectl(project, "apply", f"--kustomize={project.overlay}")
    kubectl(project, "set", "image", "deployment/taskpulse-api", f"*={GOOD}")
    patch = json.dumps({"spec": {"sessionAffinity": "ClientIP"}})
    kubectl(project, "patch", "service", "taskpulse-api", f"--patch={patch}")
    planned = project.plan()
    by_hand = {key for key, action in planned.items() if action["action"] == "refuse"}
    assert by_hand >= {"Deployment/taskpulse-api", "Service/taskpulse-api", "ServiceMonitor/taskpulse-api"}
    assert {planned[key]["action"] for key in planned.keys() - by_hand} <= {"create", "put back", "change"}

    kubectl(project, "annotate", f"--kustomize={project.overlay}", f"taskpulse/adopt={project.overlay.name}")
    kinds = ("deployment", "service", "servicemonitor")
    before = [state(project, kind, "taskpulse-api") for kind in kinds]
    result = project.deploy(CRASHES)
    assert result.returncode == 1
    assert "Nothing is put back: no release was good before." in result.stdout
    assert "    restore  Deployment/taskpulse-api\n" in result.stdout
    assert [state(project, kind, "taskpulse-api") for kind in kinds] == before
    assert {action["action"] for key, action in project.plan().items() if key in by_hand} == {"adopt"}

    project.deployed()
    assert project.running() == {(GOOD, project.head())}
    for kind in kinds:
        assert LAST_APPLIED not in (state(project, kind, "taskpulse-api")["metadata"]["annotations"] or {})
    assert project.plan() == {}


def test_a_release_that_is_put_back_or_rolled_back_gives_back_what_it_adopted(project: Project) -> None:
    project.deployed()
    first = project.head()
    kubectl(project, "apply", "--filename=-", stdin=config("extra", a="9", b="2"))
    mark(project, "configmap/extra")
    before = state(project, "configmap", "extra")
    with_configs(project, "extra")
    result = project.deploy(CRASHES)
    assert "    restore  ConfigMap/extra\n" in result.stdout
    assert project.running() == {(GOOD, first)}
    assert state(project, "configmap", "extra") == before

    project.deployed()
    assert state(project, "configmap", "extra")["data"] == {"a": "1"}
    result = project.delivery("rollback", str(project.overlay), "--output=json")
    assert result.returncode == 0, result.stderr
    (action,) = [each for each in json.loads(result.stdout)["plan"] if each["name"] == "extra"]
    assert (action["action"], action["reason"]) == (
        "restore",
        "was adopted; becomes what it was before that, and is not deleted",
    )
    assert state(project, "configmap", "extra") == before


def test_a_killed_deploy_leaves_nothing_that_the_next_one_would_delete(project: Project) -> None:
    project.deployed()
    kubectl(project, "create", "--filename=-", stdin=config("extra", a="9"))
    mark(project, "configmap/extra")
    before = state(project, "configmap", "extra")
    with_configs(project, "extra")
    killed_after(project, HEALTHY)
    assert state(project, "configmap", "extra")["data"] == {"a": "1"}
    project.commit(**project.without("extra"))
    assert "    restore  ConfigMap/extra\n" in project.deploy().stdout
    assert state(project, "configmap", "extra") == before


def test_a_secret_made_by_hand_is_adopted_and_no_value_of_it_is_shown(project: Project) -> None:
    project.cluster.kubectl("create", "namespace", project.namespace)
    literals = ("--from-literal=token=by-hand", "--from-literal=extra=by-hand")
    kubectl(project, "create", "secret", "generic", "taskpulse-metrics", *literals)
    refused = project.deploy()
    assert refused.returncode == 1
    assert "Secret/taskpulse-metrics: it is there and was not made by a deploy" in refused.stderr
    mark(project, "secret/taskpulse-metrics")
    action = project.plan()["Secret/taskpulse-metrics"]
    assert (action["action"], action["fields"]) == ("adopt", ["data.token"])
    assert "data.extra: added by kubectl-annotate, kubectl-create" in action["drift"]
    result = project.deploy()
    assert result.returncode == 0, result.stderr
    assert "by-hand" not in refused.stdout + refused.stderr + result.stdout
    secret = state(project, "secret", "taskpulse-metrics")
    assert secret["data"].keys() == {"token"}
    assert secret["metadata"]["annotations"] is None


def test_what_cannot_become_what_it_must_be_is_refused_though_it_is_marked(project: Project) -> None:
    project.deployed()
    made = {**json.loads(config("extra", a="9")), "immutable": True}
    kubectl(project, "create", "--filename=-", stdin=json.dumps(made))
    mark(project, "configmap/extra")
    with_configs(project, "extra")
    action = project.plan()["ConfigMap/extra"]
    assert action["action"] == "refuse"
    assert action["reason"].startswith("it was not made by a deploy, and cannot be adopted; delete it first: ")


def test_labels_of_a_namespace_that_others_hold_are_taken_only_from_one_that_is_marked(project: Project) -> None:
    label = "pod-security.kubernetes.io/enforce"
    made = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": project.namespace, "labels": {label: "baseline"}},
    }
    project.cluster.kubectl("create", "--filename=-", stdin=json.dumps(made))
    key = f"Namespace/{project.namespace}"
    action = project.plan()[key]
    assert action["action"] == "refuse"
    assert f"metadata.labels.{label}: baseline -> restricted" in action["fields"]
    (command,) = COMMAND.findall(action["reason"])
    project.cluster.kubectl(*shlex.split(command))
    assert project.plan()[key]["action"] == "adopt"
    project.deployed()
    assert project.cluster.get("namespace", project.namespace)["metadata"]["labels"][label] == "restricted"
    assert project.plan() == {}


def test_an_object_that_somebody_restored_from_a_copy_is_still_ours(project: Project) -> None:
    project.deployed()
    copy = project.cluster.get("networkpolicy", "dns", f"--namespace={project.namespace}")
    kubectl(project, "delete", "networkpolicy", "dns")
    kubectl(project, "create", "--filename=-", stdin=json.dumps(copy))
    assert "NetworkPolicy/dns" not in project.plan()
    project.deployed()
    assert project.plan() == {}


def test_a_namespace_of_another_overlay_is_refused_until_it_is_handed_over(project: Project) -> None:
    project.commit(**project.with_settings("extra", a="1"))
    project.deployed()
    first = project.overlay
    project.overlay = first.with_name("another")
    first.rename(project.overlay)
    commit = project.commit(**project.without("extra"))
    result = project.deploy()
    assert result.returncode == 1
    assert f"Namespace/{project.namespace}: overlay {first.name} was deployed there last" in result.stderr
    assert "extra" in project.names("configmaps")
    rollback = project.delivery("rollback", str(project.overlay))
    assert f"Overlay {first.name} was deployed to namespace {project.namespace} last" in rollback.stderr

    (command,) = COMMAND.findall(result.stderr)
    project.cluster.kubectl(*shlex.split(command))
    project.deployed()
    assert project.running() == {(GOOD, commit)}
    assert "extra" not in project.names("configmaps")
    assert project.plan() == {}

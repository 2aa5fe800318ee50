"""Deploys that go well, on a real control plane."""

import json
import re
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
import yaml

from tests.delivery.deploy.project import Project, changes
from tests.support.cluster.controlplane import DEFINITIONS
from tests.support.cluster.kubelet import GOOD, REPOSITORY

pytestmark = pytest.mark.slow

OTHER = REPOSITORY + 64 * "1"
MONITORS = "servicemonitors.monitoring.coreos.com"
REMOVED = {
    "apiVersion": "monitoring.coreos.com/v1",
    "kind": "ServiceMonitor",
    "metadata": {"name": "any"},
    "$patch": "delete",
}
USERS_OWN = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "users-own", "labels": {"app.kubernetes.io/part-of": "taskpulse"}},
    "data": {"mine": "yes"},
}


def kept(project: Project) -> list[Any]:
    """Everything that a deploy could touch, but for what controllers write at any time."""
    kinds = "deployments,replicasets,configmaps,services,secrets,hpa,networkpolicies"
    items: list[Any] = project.cluster.get(kinds, f"--namespace={project.namespace}")["items"]
    for each in items:
        each.pop("status", None)
        del each["metadata"]["resourceVersion"]
    return items


def test_it_works(project: Project) -> None:
    result = project.deployed()
    assert (result["result"], result["release"], result["commit"]) == ("deployed", 1, project.head())
    assert {each["action"] for each in changes(result).values()} == {"create"}
    assert project.running() == {(GOOD, project.head())}
    assert [(each["release"], each["state"]) for each in project.history()] == [(1, "good")]


def test_secrets_are_there_before_what_reads_them(project: Project) -> None:
    project.deployed()
    (settings,) = generated(project)
    secret, config = (
        int(project.cluster.get(kind, name, f"--namespace={project.namespace}")["metadata"]["resourceVersion"])
        for kind, name in (("secret", "taskpulse-secret"), ("configmap", settings))
    )
    assert secret < config


def test_a_second_run_changes_nothing(project: Project) -> None:
    project.deployed()
    before = kept(project)
    result = project.deployed()
    assert changes(result) == {}
    assert result["release"] == 1
    assert kept(project) == before


def test_a_plan_tells_the_change_and_makes_none(project: Project) -> None:
    project.deployed()
    before = kept(project)
    project.commit()
    planned = project.plan(OTHER)
    assert planned.keys() == {"Deployment/taskpulse-api"}
    assert planned["Deployment/taskpulse-api"]["action"] == "change"
    assert planned["Deployment/taskpulse-api"]["drift"] == []
    assert any(OTHER[:40] in field for field in planned["Deployment/taskpulse-api"]["fields"])
    assert kept(project) == before


def test_a_change_is_brought_to_the_pods(project: Project) -> None:
    project.deployed()
    commit = project.commit()
    assert changes(project.deployed(OTHER)).keys() == {"Deployment/taskpulse-api"}
    assert project.running() == {(OTHER, commit)}


def test_a_removed_object_is_pruned_and_only_when_the_rest_is_healthy(project: Project) -> None:
    project.commit(**project.with_settings("extra", a="1"))
    project.deployed()
    project.commit(**project.without("extra"))
    result = project.deploy()
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    (healthy,) = [number for number, line in enumerate(lines) if line.startswith("    Service taskpulse-api is ready")]
    prunes = [number for number, line in enumerate(lines) if line.startswith("    prune    ConfigMap/extra")]
    assert len(prunes) == 2
    assert prunes[0] < healthy < prunes[1]  # announced, and done
    assert "extra" not in project.names("configmaps")


def test_an_old_generated_config_map_is_pruned(project: Project) -> None:
    project.deployed()
    (old,) = generated(project)
    merged = {"name": "taskpulse-api", "behavior": "merge", "literals": ["LOG_LEVEL=DEBUG"]}
    project.commit(configMapGenerator=[merged])
    project.deployed()
    (new,) = generated(project)
    assert new != old


def generated(project: Project) -> set[str]:
    return {name for name in project.names("configmaps") if name.startswith("taskpulse-api-")}


def test_a_field_that_cannot_change_is_announced_and_made_anew(project: Project) -> None:
    project.commit(**project.with_settings("fixed", a="1"))
    path = project.overlay / "fixed.yaml"
    path.write_text(path.read_text() + "immutable: true\n")
    project.commit()
    project.deployed()
    before = uid(project, "fixed")
    path.write_text(path.read_text().replace("'1'", "'2'"))
    project.commit()
    planned = project.plan()["ConfigMap/fixed"]
    assert planned["action"] == "recreate"
    assert "deleted and made anew, because a field of it cannot be changed" in planned["reason"]
    assert changes(project.deployed())["ConfigMap/fixed"]["action"] == "recreate"
    assert uid(project, "fixed") != before


def uid(project: Project, name: str) -> str:
    return str(project.cluster.get("configmap", name, f"--namespace={project.namespace}")["metadata"]["uid"])


def test_recreation_that_loses_data_is_refused(project: Project) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "disk"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    path = project.overlay / "disk.yaml"
    path.write_text(json.dumps(claim))
    project.commit(resources=["../overlays/dev", "disk.yaml"])
    project.deployed()
    path.write_text(json.dumps(claim).replace("ReadWriteOnce", "ReadOnlyMany"))
    commit = project.commit()
    result = project.deploy()
    assert result.returncode == 1
    assert "it must be deleted, and that loses data" in result.stderr
    assert all(revision != commit for _, revision in project.running())
    project.commit(resources=["../overlays/dev"])
    assert changes(project.deployed())["PersistentVolumeClaim/disk"]["action"] == "keep"
    assert project.names("persistentvolumeclaims") == {"disk"}


def test_a_field_changed_by_hand_is_told_apart_and_put_back(project: Project) -> None:
    project.deployed()
    by_hand = '{"spec": {"maxReplicas": 9}}'
    project.cluster.kubectl("patch", "hpa", "taskpulse-api", f"--namespace={project.namespace}", f"--patch={by_hand}")
    planned = project.plan()
    assert planned.keys() == {"HorizontalPodAutoscaler/taskpulse-api"}
    action = planned["HorizontalPodAutoscaler/taskpulse-api"]
    assert (action["action"], action["drift"], action["fields"]) == ("put back", ["spec.maxReplicas: 9 -> 3"], [])
    assert "kubectl-patch" in action["reason"]
    project.deployed()
    assert project.plan() == {}


def test_what_was_deleted_by_hand_is_drift(project: Project) -> None:
    project.deployed()
    project.cluster.kubectl("delete", "networkpolicy", "dns", f"--namespace={project.namespace}")
    assert project.plan()["NetworkPolicy/dns"]["drift"] == ["was deleted by others"]
    project.deployed()
    assert "dns" in project.names("networkpolicies")


def test_users_own_objects_are_never_touched(project: Project) -> None:
    project.deployed()
    project.cluster.kubectl("create", f"--namespace={project.namespace}", "--filename=-", stdin=json.dumps(USERS_OWN))
    before = project.cluster.get("configmap", "users-own", f"--namespace={project.namespace}")
    project.commit(**project.with_settings("extra", a="1"))
    project.deployed()
    project.commit(**project.without("extra"))
    project.deployed()
    assert project.cluster.get("configmap", "users-own", f"--namespace={project.namespace}") == before


def test_an_object_of_the_same_name_that_a_user_made_is_refused(project: Project) -> None:
    project.deployed()
    project.cluster.kubectl("create", "configmap", "extra", "--from-literal=mine=1", f"--namespace={project.namespace}")
    commit = project.commit(**project.with_settings("extra", a="1"))
    result = project.deploy()
    assert result.returncode == 1
    assert "ConfigMap/extra: it is there and was not made by a deploy" in result.stderr
    assert project.running() != {(GOOD, commit)}
    live = project.cluster.get("configmap", "extra", f"--namespace={project.namespace}")
    assert live["data"] == {"mine": "1"}


def test_what_a_user_made_in_the_place_of_a_pruned_object_stays(project: Project) -> None:
    project.commit(**project.with_settings("extra", a="1"))
    project.deployed()
    project.cluster.kubectl("delete", "configmap", "extra", f"--namespace={project.namespace}")
    project.cluster.kubectl("create", "configmap", "extra", "--from-literal=mine=1", f"--namespace={project.namespace}")
    project.commit(**project.without("extra"))
    project.deployed()
    assert "extra" in project.names("configmaps")


@pytest.mark.alone
def test_a_kind_that_the_cluster_no_longer_has_is_in_the_way_only_of_who_wants_it(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.deployed()
    project.cluster.kubectl("delete", "crd", MONITORS)
    monkeypatch.setenv("KUBECACHEDIR", str(tmp_path / "new"))  # kubectl remembers kinds for hours
    try:
        refused = project.deploy()
        assert refused.returncode == 1
        assert 'no matches for kind "ServiceMonitor"' in refused.stderr
        none = {"target": {"kind": "ServiceMonitor"}, "patch": yaml.safe_dump(REMOVED)}
        project.commit(patches=[*project.kustomization["patches"], none])
        assert changes(project.deployed()).keys() == {"Deployment/taskpulse-api"}
    finally:
        definition = (DEFINITIONS / "monitoring.coreos.com_servicemonitors.yaml").read_text()
        project.cluster.kubectl("apply", "--server-side", "--filename=-", stdin=definition)
        project.cluster.kubectl("wait", "--for=condition=Established", f"crd/{MONITORS}", "--timeout=60s")


def test_an_older_commit_is_refused_unless_told(project: Project) -> None:
    older = project.head()
    newer = project.commit()
    project.deployed()
    result = project.deploy(GOOD, f"--commit={older}")
    assert result.returncode == 1
    assert f"Commit {older[:12]} is older than {newer[:12]}, which runs" in result.stderr
    assert project.running() == {(GOOD, newer)}
    project.deployed(GOOD, f"--commit={older}", "--allow-older")
    assert project.running() == {(GOOD, older)}


def test_only_the_last_five_good_releases_are_kept(project: Project) -> None:
    for _ in range(7):
        project.commit()
        project.deployed()
    assert [each["release"] for each in project.history()] == [7, 6, 5, 4, 3]


def test_what_is_too_large_for_a_record_is_refused_before_anything_is_done(project: Project) -> None:
    for name in ("one", "two"):
        project.commit(**project.with_settings(name, a=token_hex(500_000)))
    result = project.delivery("plan", *project.arguments())
    assert result.returncode == 1
    assert re.search(r"The manifests take \d{7} bytes packed; a release may take 1000000", result.stderr)


@pytest.mark.xdist_group("overlays")
def test_an_overlay_of_the_checkout_is_planned_where_nothing_is_yet(project: Project) -> None:
    result = project.delivery("plan", "dev", *project.arguments()[1:], "--output=json")
    assert result.returncode == 0, result.stderr
    assert {each["action"] for each in changes(json.loads(result.stdout)).values()} == {"create"}
    assert project.cluster.run("get", "namespace", "taskpulse-dev").returncode == 1

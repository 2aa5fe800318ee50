"""No value of a Secret is in any output, record or summary."""

import base64
import gzip
from pathlib import Path

import pytest

from tests.delivery.deploy.project import PASSWORD, SECRETS, Project
from tests.support.cluster.kubelet import CANNOT_BE_PULLED, CRASHES, LOG

pytestmark = pytest.mark.slow


def test_secrets_reach_the_pods_and_nothing_else(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [project.delivery("plan", *project.arguments()), project.deploy(), project.deploy()]
    (project.secrets / "taskpulse-database-password").write_text(changed := "another-horse-battery")
    said += [project.delivery("plan", *project.arguments()), project.deploy(), project.deploy(CRASHES)]
    project.commit()
    said += [project.deploy(CRASHES), project.delivery("history", str(project.overlay))]
    live = project.cluster.get("secret", "taskpulse-secret", f"--namespace={project.namespace}")["data"]
    assert base64.b64decode(live["DB_PASSWORD"]).decode() == changed
    assert base64.b64decode(live["DB_USER"]).decode() == "taskpulse"
    text = "".join(result.stdout + result.stderr for result in said)
    text += "".join(contents(project))
    assert "Secret/taskpulse-secret: DB_PASSWORD from --secrets" in text
    for value in (*SECRETS.values(), changed):
        own = [line for line in value.splitlines() if not line.startswith("-----")]  # every certificate has such lines
        for form in (*own, base64.b64encode(value.encode()).decode()):
            assert form not in text
    assert PASSWORD not in text


def contents(project: Project) -> list[str]:
    """Everything that the namespace keeps but Secrets, unpacked."""
    kinds = "configmaps,leases,deployments,events"
    items = project.cluster.get(kinds, f"--namespace={project.namespace}")["items"]
    packed = [value for each in items for value in each.get("binaryData", {}).values()]
    assert packed
    return [str(items), *(gzip.decompress(base64.b64decode(each)).decode() for each in packed)]


def test_a_secret_that_pods_need_and_nobody_has_is_refused(project: Project) -> None:
    arguments = [each for each in project.arguments() if not each.startswith("--secrets")]
    result = project.delivery("deploy", *arguments)
    assert result.returncode == 1
    keys = "DB_PASSWORD, DB_SERVICE_PASSWORD, DB_SERVICE_USER, DB_USER"
    assert f"Pods need {keys} of Secret taskpulse-secret" in result.stderr
    assert project.cluster.run("get", "namespace", project.namespace).returncode == 1


def test_a_secret_that_somebody_deleted_is_refused_until_it_is_given(project: Project) -> None:
    project.deployed()
    project.cluster.kubectl("delete", "secret", "taskpulse-metrics", f"--namespace={project.namespace}")
    arguments = [each for each in project.arguments() if not each.startswith("--secrets")]
    result = project.delivery("deploy", *arguments)
    assert result.returncode == 1
    assert "Refused. Pods need token of Secret taskpulse-metrics, which" in result.stderr
    project.deployed()
    assert "taskpulse-metrics" in project.names("secrets")


def test_what_a_pod_logs_of_a_secret_that_only_the_cluster_has_is_masked(project: Project) -> None:
    first, second = LOG.splitlines()
    (project.secrets / "taskpulse-database-password").write_text(second)
    project.deployed()
    project.commit()
    arguments = [each for each in project.arguments(CRASHES) if not each.startswith("--secrets")]
    result = project.delivery("deploy", *arguments)
    assert f"| {first}\n" in result.stdout
    assert "| ***\n" in result.stdout
    assert second not in result.stdout + result.stderr


def test_a_reason_that_holds_a_secret_is_masked_where_it_is_said_and_where_it_is_kept(project: Project) -> None:
    (project.secrets / "taskpulse-database-password").write_text("manifest unknown")
    project.deployed()
    project.commit()
    result = project.deploy(CANNOT_BE_PULLED)
    kept = project.history()[0]["note"]
    for text in (result.stderr, kept):
        assert "ImagePullBackOff: Back-off pulling image: ***." in text
    assert "manifest unknown" not in result.stdout + result.stderr + kept


def test_what_a_manifest_lets_out_is_masked_in_a_plan(project: Project) -> None:
    project.commit(**project.with_settings("extra", a="1"))
    project.deployed()
    project.commit(**project.with_settings("extra", a=PASSWORD))
    assert project.plan()["ConfigMap/extra"]["fields"] == ["data.a: 1 -> ***"]


def test_a_secret_changed_by_hand_is_put_back(project: Project) -> None:
    project.deployed()
    secret = ("secret", "taskpulse-secret", f"--namespace={project.namespace}")
    project.cluster.kubectl("patch", *secret, '--patch={"stringData": {"DB_PASSWORD": "by hand"}}')
    action = project.plan()["Secret/taskpulse-secret"]
    assert (action["action"], action["reason"]) == ("change", "DB_PASSWORD from --secrets")
    project.deployed()
    assert base64.b64decode(project.cluster.get(*secret)["data"]["DB_PASSWORD"]).decode() == PASSWORD


def test_without_a_folder_the_secrets_of_the_cluster_stay(project: Project) -> None:
    project.deployed()
    project.commit()
    arguments = [each for each in project.arguments() if not each.startswith("--secrets")]
    assert project.delivery("deploy", *arguments).returncode == 0
    live = project.cluster.get("secret", "taskpulse-secret", f"--namespace={project.namespace}")["data"]
    assert base64.b64decode(live["DB_PASSWORD"]).decode() == PASSWORD

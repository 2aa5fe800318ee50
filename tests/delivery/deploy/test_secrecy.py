"""No value of a Secret is in any output, record or summary."""

import base64
import gzip
from pathlib import Path

import pytest

from tests.delivery.deploy.kubelet import CRASHES, LOG
from tests.delivery.deploy.project import PASSWORD, SECRETS, Project

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
    assert "Pods need DB_PASSWORD, DB_USER of Secret taskpulse-secret" in result.stderr
    assert project.cluster.run("get", "namespace", project.namespace).returncode == 1


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


def test_without_a_folder_the_secrets_of_the_cluster_stay(project: Project) -> None:
    project.deployed()
    project.commit()
    arguments = [each for each in project.arguments() if not each.startswith("--secrets")]
    assert project.delivery("deploy", *arguments).returncode == 0
    live = project.cluster.get("secret", "taskpulse-secret", f"--namespace={project.namespace}")["data"]
    assert base64.b64decode(live["DB_PASSWORD"]).decode() == PASSWORD

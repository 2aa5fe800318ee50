"""Deploys that fail: what ran before runs on, and the reason is said."""

import json
from typing import Any

import pytest

from tests.delivery.deploy.kubelet import CANNOT_BE_PULLED, CRASHES, GOOD, LOG, MIGRATION_FAILS, NEVER_READY, UNHEALTHY
from tests.delivery.deploy.project import Project

pytestmark = pytest.mark.slow

MARKED = "-- old code cannot live with this: the column title is gone\nalter table tasks drop title;\n"


def pods(project: Project) -> dict[str, Any]:
    """Every pod by name, with when it was made and how often it was started."""
    return {
        pod["metadata"]["name"]: [pod["metadata"]["uid"], pod["status"]["startTime"]]
        for pod in project.cluster.get("pods", f"--namespace={project.namespace}")["items"]
    }


@pytest.mark.parametrize(
    ("image", "reason", "lines"),
    [
        (CRASHES, "container api: CrashLoopBackOff, ended 2 times, last with exit status 3.", LOG.splitlines()),
        (MIGRATION_FAILS, "container migrate: CrashLoopBackOff, ended 2 times, last with exit", LOG.splitlines()),
        (CANNOT_BE_PULLED, "ImagePullBackOff: Back-off pulling image: manifest unknown.", []),
    ],
    ids=["crashes", "migration-fails", "cannot-be-pulled"],
)
def test_pods_that_never_get_ready_are_put_back_and_the_old_ones_not_touched(
    project: Project, image: str, reason: str, lines: list[str]
) -> None:
    project.deployed()
    before, commit = pods(project), project.head()
    project.commit(**project.with_settings("added", a="1"))
    result = project.deploy(image)
    assert result.returncode == 1
    assert reason in result.stderr
    for line in lines:
        assert f"| {line}\n" in result.stdout
    assert project.running() == {(GOOD, commit)}
    assert {name: pods(project)[name] for name in before} == before
    assert "added" not in project.names("configmaps")
    assert [(each["release"], each["state"]) for each in project.history()] == [(2, "put back"), (1, "good")]
    assert reason in project.history()[0]["note"]


def test_pods_that_say_nothing_are_put_back_at_the_time_out(project: Project) -> None:
    project.deployed()
    commit = project.head()
    project.commit()
    result = project.deploy(NEVER_READY, "--timeout=8s")
    assert result.returncode == 1
    assert "deployment/taskpulse-api did not roll out in time. Pod taskpulse-api-" in result.stderr
    assert project.running() == {(GOOD, commit)}


def test_a_failing_smoke_test_is_put_back(project: Project) -> None:
    project.deployed()
    commit = project.head()
    project.commit()
    result = project.deploy(UNHEALTHY)
    assert result.returncode == 1
    assert "The smoke test failed" in result.stderr
    assert "Release 1 runs again." in result.stdout
    assert project.running() == {(GOOD, commit)}


def test_the_next_commit_after_a_failure_goes_through(project: Project) -> None:
    project.deployed()
    project.commit(**project.with_settings("added", a="1"))
    assert project.deploy(CRASHES).returncode == 1
    commit = project.commit(**project.without("added"))
    assert project.deployed()["release"] == 3
    assert project.running() == {(GOOD, commit)}


def test_the_first_deploy_has_nothing_to_put_back_and_the_next_mends_it(project: Project) -> None:
    result = project.deploy(CRASHES)
    assert result.returncode == 1
    assert "Nothing is put back: no release was good before" in result.stdout
    project.commit()
    assert project.deployed()["release"] == 2


def test_nothing_is_put_back_across_a_marked_migration(project: Project) -> None:
    project.deployed()
    (project.folder / "app" / "migrations" / "9999_drop.sql").write_text(MARKED)
    project.commit(**project.with_settings("added", a="1"))
    result = project.deploy(CRASHES)
    assert result.returncode == 1
    sentence = "Code without migration 9999_drop.sql cannot live with it: the column title is gone."
    assert f"Release 1 is not put back. {sentence}" in result.stdout
    assert "added" in project.names("configmaps")
    (project.folder / "app" / "migrations" / "9999_drop.sql").unlink()
    project.commit()
    again = project.deploy()
    assert again.returncode == 1
    assert sentence in again.stderr


def test_a_render_that_the_api_server_refuses_changes_nothing(project: Project) -> None:
    project.deployed()
    commit = project.head()
    patch = [{"op": "add", "path": "/spec/ports/-", "value": {"name": "http", "port": 81}}]
    patches = [*project.kustomization["patches"], {"target": {"kind": "Service"}, "patch": json.dumps(patch)}]
    project.commit(patches=patches)
    result = project.deploy()
    assert result.returncode == 1
    assert "Service/taskpulse-api: " in result.stderr
    assert 'Duplicate value: "http"' in result.stderr
    assert project.running() == {(GOOD, commit)}
    assert len(project.history()) == 1

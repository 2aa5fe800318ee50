"""Deploys that fail: what ran before runs on, and the reason is said."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.delivery.deploy.project import Project, read_until
from tests.support.cluster.kubelet import CANNOT_BE_PULLED, CRASHES, GOOD, LOG, MIGRATION_FAILS, NEVER_READY, UNHEALTHY

pytestmark = pytest.mark.slow

IMPATIENT = "from delivery import cli; from delivery.deploy import smoke; smoke.TIMEOUT_S = 3; cli.main()"
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
        (
            CRASHES,
            "container api: CrashLoopBackOff, restarted 2 times, last ended with exit status 3.",
            LOG.splitlines(),
        ),
        (MIGRATION_FAILS, "container migrate: CrashLoopBackOff, restarted 2 times, last ended", LOG.splitlines()),
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


def test_only_the_time_out_counts_and_no_deadline_of_the_deployment(project: Project) -> None:
    deadline = [{"op": "replace", "path": "/spec/progressDeadlineSeconds", "value": 1}]
    project.kustomization["patches"].append({"target": {"kind": "Deployment"}, "patch": json.dumps(deadline)})
    project.commit()
    result = project.deploy(NEVER_READY, "--timeout=8s")
    assert "deployment/taskpulse-api did not roll out in time. Pod taskpulse-api-" in result.stderr


def test_a_deployment_that_somebody_pauses_meanwhile_is_said_to_be(project: Project) -> None:
    project.deployed()
    commit = project.head()
    project.commit()
    process = project.start("deploy", *project.arguments(NEVER_READY))
    read_until(process, "    waiting for ")
    project.cluster.kubectl("rollout", "pause", "deployment/taskpulse-api", f"--namespace={project.namespace}")
    out, err = process.communicate()
    assert process.returncode == 1
    assert "deployment/taskpulse-api was paused: `kubectl rollout resume deployment/taskpulse-api" in err
    assert "Release 1 runs again." in out
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


def test_what_cannot_be_put_back_is_said_and_the_next_rollback_tries_again(project: Project) -> None:
    project.deployed()
    commit = project.head()
    project.commit()
    process = project.start("deploy", *project.arguments(NEVER_READY), "--timeout=10s")
    read_until(process, "==> Roll out")
    with denied(project, "UPDATE", "deployments"):
        out, err = process.communicate()
    assert process.returncode == 1
    assert "did not roll out in time" in err
    assert "Release 1 could not be put back whole: " in out
    assert "UPDATE is denied" in out
    assert [each["state"] for each in project.history()] == ["failed", "good"]
    result = project.delivery("rollback", str(project.overlay))
    assert result.returncode == 0, result.stderr
    assert project.running() == {(GOOD, commit)}


@contextmanager
def denied(project: Project, operation: str, resource: str) -> Iterator[None]:
    """A policy of the namespace by which nobody may do that."""
    group = "apps" if resource == "deployments" else ""
    rule = {"apiGroups": [group], "apiVersions": ["v1"], "operations": [operation], "resources": [resource]}
    validation = {"expression": "false", "message": f"{operation} is denied"}
    place = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": project.namespace}}}
    policy = {"matchConstraints": {"resourceRules": [rule]}, "validations": [validation]}
    binding = {"policyName": project.namespace, "validationActions": ["Deny"], "matchResources": place}
    api = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": project.namespace}}
    items = [
        api | {"kind": "ValidatingAdmissionPolicy", "spec": policy},
        api | {"kind": "ValidatingAdmissionPolicyBinding", "spec": binding},
    ]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    project.cluster.kubectl("create", "--filename=-", stdin=text)
    try:
        yield
    finally:
        project.cluster.kubectl("delete", "--filename=-", stdin=text)


def test_a_prune_that_is_refused_puts_nothing_back(project: Project) -> None:
    project.commit(**project.with_settings("extra", a="1"))
    project.deployed()
    commit = project.commit(**project.without("extra"))
    with denied(project, "DELETE", "configmaps"):
        result = project.deploy(GOOD, "--output=json")
    answer = json.loads(result.stdout)
    assert (result.returncode, answer["result"]) == (1, "unfinished")
    assert "DELETE is denied" in answer["reason"]
    assert project.running() == {(GOOD, commit)}
    assert "extra" in project.names("configmaps")
    assert project.deployed()["release"] == 2
    assert "extra" not in project.names("configmaps")


def test_what_was_put_back_is_asked_as_well(project: Project) -> None:
    """Pods of both releases get ready, and say then that they are not."""
    project.deployed()
    project.sick.add(GOOD)
    project.commit()
    process = project.start("deploy", *project.arguments(), program=("-c", IMPATIENT))
    out, err = process.communicate()
    assert process.returncode == 1
    assert "The smoke test failed for 3 s: /health/ready: " in err
    assert "Release 1 could not be put back whole: The smoke test failed for 3 s: /health/ready: " in out


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
    slowly = [{"op": "add", "path": "/spec/minReadySeconds", "value": 5}]  # so that the old pods are there to be seen
    patches = [*project.kustomization["patches"], {"target": {"kind": "Deployment"}, "patch": json.dumps(slowly)}]
    project.commit(patches=patches)
    assert project.deployed()["release"] == 2


def test_the_same_deploy_again_does_not_go_by_the_pods_that_failed_before(project: Project) -> None:
    assert project.deploy(CRASHES).returncode == 1
    before = project.names("pods")
    result = project.deploy(CRASHES)
    assert "deployment/taskpulse-api: pods that got nowhere are replaced" in result.stdout
    assert result.returncode == 1
    assert project.names("pods").isdisjoint(before)


def test_nothing_is_put_back_across_a_marked_migration(project: Project) -> None:
    project.deployed()
    (project.folder / "app" / "postgres" / "migrations" / "9999_drop.sql").write_text(MARKED)
    project.commit(**project.with_settings("added", a="1"))
    result = project.deploy(CRASHES)
    assert result.returncode == 1
    sentence = "Code without migration 9999_drop.sql cannot live with it: the column title is gone."
    assert f"Release 1 is not put back. {sentence}" in result.stdout
    assert "added" in project.names("configmaps")
    (project.folder / "app" / "postgres" / "migrations" / "9999_drop.sql").unlink()
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

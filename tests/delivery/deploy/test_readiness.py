"""A deploy waits for every kind that has a notion of ready, and not for pods alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery.deploy import waiting
from delivery.deploy.readiness import Lack, lack
from delivery.deploy.rollout import RolloutError
from delivery.tools import kubectl
from tests.delivery.deploy.project import Project, read_until
from tests.support.cluster.gateway import gateways_work, program
from tests.support.cluster.kubelet import GOOD

TABLE = yaml.safe_load(Path(__file__).with_name("readiness.yaml").read_text())
MAIN = {"resources": ["../overlays/main"]}


@pytest.mark.parametrize("row", TABLE, ids=[row["name"] for row in TABLE])
def test_readiness(row: dict[str, Any]) -> None:
    expected = Lack(row["lacks"], row.get("final", False)) if "lacks" in row else None
    assert lack(row["object"]) == expected


JOB = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "load", "namespace": "here"}}


def looks(monkeypatch: pytest.MonkeyPatch, *found: list[Any] | Exception) -> None:
    """Let each look at the cluster find what `found` gives next; the last one is found again."""

    def answers() -> Iterator[Any]:
        yield from found
        while True:
            yield found[-1]

    each = answers()

    def find(*_: Any) -> Any:
        answer = next(each)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(kubectl, "find", find)
    monkeypatch.setattr(waiting, "POLL_S", 0)


def job(condition: str) -> Any:
    return JOB | {"status": {"conditions": [{"type": condition, "status": "True", "message": "3 of 3"}]}}


def test_a_read_that_fails_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    looks(monkeypatch, kubectl.KubectlError("etcd is away"), [JOB], [job("Complete")])
    said: list[str] = []
    waiting.wait([JOB], 60, said.append, lambda: None)
    assert said == [
        "the cluster does not say what is ready (etcd is away); asking again",
        "Job/load: Complete is not set yet: no controller has taken it up",
        "Job/load is ready after 0 s",
    ]


def test_what_never_gets_ready_ends_the_wait_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks(monkeypatch, [job("Failed")])
    with pytest.raises(RolloutError, match=r"^Job/load will not be ready\. Failed: 3 of 3$"):
        waiting.wait([JOB], 60, print, lambda: None)


def test_what_is_deleted_meanwhile_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    looks(monkeypatch, [])
    with pytest.raises(RolloutError, match=r"^Not ready in time\. Job/load: it is not there\.$"):
        waiting.wait([JOB], 0, print, lambda: None)


def test_a_cluster_that_never_says_is_not_a_failure_of_the_release(monkeypatch: pytest.MonkeyPatch) -> None:
    looks(monkeypatch, kubectl.KubectlError("etcd is away"))
    with pytest.raises(kubectl.UnreachableError, match="Whether everything is ready could not be read: etcd is away"):
        waiting.wait([JOB], 0, print, lambda: None)


@pytest.mark.slow
def test_main_is_good_only_once_it_can_be_reached(project: Project) -> None:
    project.commit(**MAIN)
    process = project.start("deploy", *project.arguments())
    read_until(process, "    Gateway/taskpulse-api: ")
    assert [each["state"] for each in project.history()] == ["started"]
    with gateways_work(project.cluster, project.namespace):
        out, err = process.communicate()
    assert process.returncode == 0, err
    assert "    Gateway/taskpulse-api is ready after " in out
    assert "    HTTPRoute/https is ready after " in out


@pytest.mark.slow
def test_a_gateway_that_never_works_is_put_back(project: Project) -> None:
    project.deployed()
    first = project.head()
    project.commit(**MAIN)
    result = project.deploy(
        GOOD, f"--commit={first}", "--timeout=15s"
    )  # the same pods, so that nothing else takes long
    assert result.returncode == 1
    assert "Gateway/taskpulse-api: Accepted is Unknown: Waiting for controller." in result.stderr
    assert "HTTPRoute/https: Gateway taskpulse-api/https has not taken it up yet." in result.stderr
    assert "==> Release 1 runs again." in result.stdout
    assert project.names("gateways") == set()


@pytest.mark.slow
def test_a_route_that_leads_nowhere_is_named(project: Project) -> None:
    project.commit(**MAIN)
    with gateways_work(project.cluster, project.namespace):
        project.deployed()
    route = project.cluster.get("httproute", "https", f"--namespace={project.namespace}")
    program(project.cluster, route, ResolvedRefs=("False", "BackendNotFound"))
    result = project.deploy(GOOD, "--timeout=15s")
    assert result.returncode == 1
    assert "HTTPRoute/https: at Gateway taskpulse-api/https: ResolvedRefs is False: BackendNotFound." in result.stderr


@pytest.mark.slow
def test_a_job_that_fails_ends_the_deploy(project: Project) -> None:
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "load"},
        "spec": {"activeDeadlineSeconds": 1, "template": pod_template()},
    }
    (project.overlay / "load.yaml").write_text(yaml.safe_dump(job))
    project.commit(resources=[*project.kustomization["resources"], "load.yaml"])
    result = project.deploy()
    assert result.returncode == 1
    assert "Job/load will not be ready. Failed: Job was active longer than specified deadline" in result.stderr


def pod_template() -> dict[str, Any]:
    """A pod that the namespace admits, and that no node takes."""
    container = {
        "name": "load",
        "image": "example.com/load@sha256:" + 64 * "0",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    return {
        "spec": {
            "restartPolicy": "Never",
            "nodeSelector": {"none": "such"},
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
        }
    }

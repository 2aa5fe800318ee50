"""An API server that is slow or fails now and then: no healthy release is put back, and none is good that is not."""

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.delivery.deploy.project import Project
from tests.support.cluster.faulty_api import STATUSES, FaultyApi, refusal
from tests.support.cluster.kubelet import CRASHES, GOOD, NEVER_READY, REPOSITORY
from tests.support.proxy import Fault, How

pytestmark = pytest.mark.slow

SECOND = REPOSITORY + 64 * "2"
RUNS = int(os.environ.get("DEPLOY_FAULT_RUNS", "0"))
LATENCY_S = 3 if RUNS else 0.2
"""A deploy sends hundreds of requests, one after the other: with 3 s it takes five minutes, for runs by hand."""
READS = r"GET /\S*(pods|replicasets|deployments|leases|configmaps)\?"
WRITES = r"(PATCH|PUT|DELETE) "
SERVICE = r"GET \S*/proxy/"


@pytest.fixture
def api(project: Project, tmp_path: Path) -> Iterator[FaultyApi]:
    """The project's way to the API server, from its second deploy on."""
    project.commit(**project.with_settings("extra", a="1"))
    project.deployed()
    project.commit(**project.without("extra"))  # so that there is something to prune
    with FaultyApi(source=project.cluster.kubeconfig, folder=tmp_path) as api:
        project.kubeconfig = api.kubeconfig
        yield api
    project.kubeconfig = project.cluster.kubeconfig


@pytest.mark.parametrize("how", ["answer", "replace", "cut", "lose"])
@pytest.mark.parametrize("status", STATUSES)
def test_a_failed_request_of_each_sort_puts_nothing_back(
    project: Project, api: FaultyApi, how: How, status: int
) -> None:
    if how in {"cut", "lose"} and status != 500:
        pytest.skip("a connection that ends has no status")
    for pattern in (READS, WRITES, SERVICE):
        api.faults.append(Fault(pattern, how, 3, refusal(status)))
    result = project.deployed(SECOND)
    assert (result["result"], result["release"]) == ("deployed", 2)
    assert [fault.times for fault in api.faults] == [0, 0, 0]
    assert project.running() == {(SECOND, project.head())}
    assert "extra" not in project.names("configmaps")


def test_a_slow_api_server_is_waited_for(project: Project, api: FaultyApi) -> None:
    api.latency_s, api.slow = (2, 2), r"GET /\S*(pods|replicasets|deployments)"
    assert project.deployed(SECOND)["result"] == "deployed"


def test_reads_that_are_refused_while_it_waits_are_repeated(project: Project, api: FaultyApi) -> None:
    """Whatever the reason: here it is a 403, which no command would repeat elsewhere."""
    api.faults.append(Fault(r"GET /\S*/replicasets\?", "answer", 2, refusal(403)))
    result = project.deploy(SECOND)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "the cluster does not say how far it is (Error from server (Forbidden)" in result.stdout


@pytest.mark.parametrize("number", range(RUNS or 3))
def test_random_faults(project: Project, api: FaultyApi, number: int) -> None:
    """`DEPLOY_FAULT_RUNS=100 pytest -n 8 tests/delivery/deploy/test_api_faults.py -k random` takes an hour or so."""
    api.seed = number
    api.latency_s, api.share, api.watch_s = (0, LATENCY_S), 0.05, 10
    image = Random(number).choice([SECOND, SECOND, SECOND, CRASHES, NEVER_READY])
    first = project.history()[-1]["commit"]
    result = project.deploy(image, *(["--timeout=40s"] if image == NEVER_READY else []))
    said = f"{result.stdout}{result.stderr}{api.failed}"
    project.kubeconfig = project.cluster.kubeconfig
    states = [(each["release"], each["state"]) for each in project.history()]
    if image == SECOND:
        assert result.returncode == 0, said
        assert states == [(2, "good"), (1, "good")], said
        assert project.running() == {(SECOND, project.head())}, said
    else:
        assert result.returncode == 1, said
        assert states == [(2, "put back"), (1, "good")], said
        assert project.running() == {(GOOD, first)}, said

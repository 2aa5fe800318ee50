"""The image in a real cluster: what its clients, its workers and Prometheus get, while it is restarted and broken."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import httpx
import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.conftest import Deployed
from tests.support.contract import Contract
from tests.support.load import Load
from tests.support.service import TASKPULSE

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PODS = 2  # what the HorizontalPodAutoscaler makes of it
TASKS = 20


@pytest.fixture
def client(deployed: Deployed, contract: Contract) -> Iterator[httpx.Client]:
    """A client of the Service, every answer checked against the OpenAPI document."""
    headers = {"Authorization": f"Bearer {deployed.key}"}
    with httpx.Client(base_url=deployed.url, headers=headers, event_hooks={"response": [contract.check]}) as connected:
        yield connected


@pytest.fixture
def load(deployed: Deployed, contract: Contract) -> Load:
    return Load(deployed.key, lambda: deployed.url, contract, clients=4)


def test_the_service_shows_what_was_deployed(cluster: Cluster, deployed: Deployed) -> None:
    cluster.wait_for_pods(PODS)
    assert httpx.get(deployed.url).json()["revision"] == deployed.commit
    assert httpx.get(f"{deployed.url}/health/ready").json() == {"status": "ok"}


def test_a_worker_does_the_tasks_of_a_client(client: httpx.Client, deployed: Deployed, tmp_path: Path) -> None:
    tasks = [{"title": f"task {number}", "labels": ["e2e"]} for number in range(TASKS)]
    assert client.post("/v1/tasks/batch", json={"tasks": tasks}).status_code == 201
    log = tmp_path / "worker.log"
    command = [TASKPULSE, "work", f"--url={deployed.url}", "--label=e2e", "--", "cat"]
    with log.open("w") as out:
        worker = subprocess.Popen(command, env={**os.environ, "TASKPULSE_KEY": deployed.key}, stdout=out, stderr=out)
    try:
        end = time.monotonic() + 60
        while _done(client) < TASKS:
            assert worker.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.2)
    finally:
        worker.send_signal(signal.SIGTERM)
        status = worker.wait(timeout=30)
    assert status == 0, log.read_text()
    print(f"\na worker has done {TASKS} tasks")


def _done(client: httpx.Client) -> int:
    found = client.get("/v1/tasks", params={"label": "e2e", "status": "done", "count": "true"})
    total: int = found.json()["total"]
    return total


def test_prometheus_scrapes_with_its_token(deployed: Deployed) -> None:
    scraped = httpx.get(f"{deployed.url}/metrics", headers={"Authorization": f"Bearer {deployed.metrics_token}"})
    assert scraped.status_code == 200
    assert "\ntaskpulse_database_up 1.0" in scraped.text, "figures of HTTP this pod may have none of yet"
    assert httpx.get(f"{deployed.url}/metrics").status_code == 401


def test_the_same_deploy_again_changes_nothing(cluster: Cluster, deployed: Deployed, image: str) -> None:
    before = cluster.pods()
    status, _ = deployed.delivery.deploy(image, deployed.commit)
    assert status == 0
    assert cluster.pods() == before


def test_no_request_fails_in_a_rolling_restart(cluster: Cluster, load: Load) -> None:
    before = set(cluster.pods())
    with load:
        load.wait_for_more(100)
        began = time.monotonic()
        cluster.kubectl("rollout", "restart", "deployment/taskpulse-api")
        cluster.kubectl("rollout", "status", "deployment/taskpulse-api", "--timeout=300s")
        cluster.wait_for_pods(PODS, without=before)
        seconds = time.monotonic() - began
    print(f"\nrolling restart in {seconds:.0f} s: {load.told()}")
    assert load.failed == []
    assert load.undocumented == []


def test_an_image_that_crashes_is_put_back(
    cluster: Cluster, deployed: Deployed, load: Load, crashing_image: str
) -> None:
    before = cluster.pods()
    with load:
        load.wait_for_more(100)
        status, told = deployed.delivery.deploy(crashing_image, token_hex(20))
        cluster.wait_for_pods(PODS)
    print(f"\nimage that crashes: {load.told()}")
    assert status != 0
    assert "Port 8000 on 203.0.113.1 cannot be used" in told, "the pod's last log line is not shown"
    assert cluster.pods() == before
    assert httpx.get(deployed.url).json()["revision"] == deployed.commit
    assert load.failed == []

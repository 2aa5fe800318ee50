"""A producer and a worker in Python, and the same in JavaScript, whose tests `make client-check` runs."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.leases import new_task, read
from tests.support.proxy import Fault, Proxy, response
from tests.support.service import Service, free_port
from tests.support.waiting import eventually, wait_for_claims

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
LANGUAGES = [
    "python",
    pytest.param("javascript", marks=[pytest.mark.slow, pytest.mark.clients]),
]
BUSY = {"order": "17", "seconds": 600}
"""A payload with which the work goes on until it is stopped."""


def program(language: str, name: str) -> list[str]:
    """Return the command that runs an example."""
    if language == "python":
        return [sys.executable, str(EXAMPLES / f"{name}.py")]
    node = shutil.which("node", path=os.pathsep.join([str(ROOT / ".tools/clients/venv/bin"), os.environ["PATH"]]))
    assert node is not None
    return [node, str(EXAMPLES / f"{name}.mjs")]


def variables(service: Service, url: str | None = None) -> dict[str, str]:
    """Return the environment of an example; leases are so short that a pulse is due each second."""
    return {**os.environ, "TASKPULSE_URL": url or service.url, "TASKPULSE_KEY": service.key, "TTL_S": "3"}


class Worker:
    """A worker of the examples in a process of its own."""

    def __init__(self, language: str, environment: dict[str, str], folder: Path) -> None:
        self._output, self._errors = folder / "output", folder / "errors"
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            command = program(language, "worker")
            self.process = subprocess.Popen(command, env=environment, stdout=output, stderr=errors)

    def lines(self) -> list[str]:
        """Return what it has printed."""
        return self._output.read_text().splitlines()

    def said(self) -> str:
        """Return its messages."""
        return self._errors.read_text()

    def end(self) -> int:
        """Wait for its end and return the exit status."""
        return self.process.wait(60)


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    """The language of the examples."""
    return str(request.param)


@pytest.fixture
def worker(client: httpx.Client, service: Service, language: str, tmp_path: Path) -> Iterator[Worker]:
    """A worker that waits for its first task."""
    running = Worker(language, variables(service), tmp_path)
    try:
        wait_for_claims(service)
        yield running
    finally:
        running.process.kill()
        running.process.wait()


def produce(language: str, environment: dict[str, str], orders: str) -> subprocess.CompletedProcess[str]:
    """Run a producer."""
    command = program(language, "producer")
    return subprocess.run(
        command, env=environment, input=orders, capture_output=True, text=True, check=False, timeout=60
    )


def stop(worker: Worker, client: httpx.Client) -> None:
    """Send SIGTERM and give the claim that waits a task: the worker gives it back and ends."""
    worker.process.send_signal(signal.SIGTERM)
    task = new_task(client, labels=["print"])
    assert worker.end() == 0
    assert (read(client, task)["status"], read(client, task)["attempts"]) == ("open", 0)


def test_it_works(client: httpx.Client, service: Service, language: str, worker: Worker) -> None:
    made = produce(language, variables(service), "17\n\n  18 \n")
    assert (made.returncode, made.stderr) == (0, "")
    ids = made.stdout.split()
    assert len(ids) == 2
    eventually(lambda: all(read(client, task)["status"] == "done" for task in ids))
    assert [read(client, task)["result"] for task in ids] == [{"printed": "17"}, {"printed": "18"}]
    eventually(lambda: worker.lines() == [f"/tasks/{task} complete 200" for task in ids])
    wait_for_claims(service)
    stop(worker, client)
    assert worker.said() == ""


def test_a_producer_that_runs_again_creates_nothing_twice(
    client: httpx.Client, service: Service, language: str
) -> None:
    first, second = (produce(language, variables(service), "17\n18\n") for _ in range(2))
    assert first.stdout == second.stdout
    assert len(client.get("/v1/tasks").json()["items"]) == 2


@pytest.mark.parametrize("how", ["cut", "lose", "answer"])
def test_a_producer_tries_again(client: httpx.Client, service: Service, language: str, how: str) -> None:
    """After a connection that ends, an answer that is lost, and one that asks for it."""
    with Proxy(service.port) as proxy:
        busy = response(503, "busy", Retry_After="1")
        proxy.faults.append(Fault("POST /v1/tasks", how, answer=busy))  # type: ignore[arg-type]
        made = produce(language, variables(service, proxy.url), "17\n")
    assert made.returncode == 0
    assert made.stderr.count("trying again") == 1
    [task] = client.get("/v1/tasks").json()["items"]
    assert made.stdout.split() == [task["id"]]


@pytest.mark.parametrize("name", ["producer", "worker"])
def test_a_wrong_key(service: Service, language: str, name: str) -> None:
    environment = {**variables(service), "TASKPULSE_KEY": "tp_wrong"}
    ended = subprocess.run(
        program(language, name), env=environment, input="17\n", capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 1
    assert f"{service.url}/v1/tasks" in ended.stderr
    assert "answers 401: " in ended.stderr


def test_heartbeats_keep_a_lease_and_tell_of_a_cancellation(client: httpx.Client, worker: Worker) -> None:
    task = new_task(client, labels=["print"], payload=BUSY)
    lease = eventually(lambda: _lease(client, task))
    eventually(lambda: client.get(f"/v1/tasks/{task}/lease").json()["expires_at"] > lease["expires_at"])
    client.patch(f"/v1/tasks/{task}", json={"status": "cancelled"}).raise_for_status()
    eventually(lambda: read(client, task)["status"] == "cancelled")
    eventually(lambda: worker.lines() == [f"/tasks/{task} fail 200"])


def test_a_lost_lease_stops_the_work(client: httpx.Client, worker: Worker) -> None:
    """Another worker has claimed the task: the token is worth nothing any more."""
    task = new_task(client, labels=["print"], payload=BUSY)
    eventually(lambda: _lease(client, task))
    token = _steal(client, task, worker)
    eventually(lambda: worker.lines() == [f"/tasks/{task} fail 409"])
    assert client.post(f"/v1/tasks/{task}/complete", json={"token": token}).status_code == 200


def test_work_that_fails(client: httpx.Client, worker: Worker) -> None:
    task = new_task(client, labels=["print"], max_attempts=1)
    eventually(lambda: read(client, task)["status"] == "failed")
    eventually(lambda: worker.lines() == [f"/tasks/{task} fail 200"])


def test_after_sigterm_the_task_at_hand_is_finished(client: httpx.Client, worker: Worker) -> None:
    task, next_one = (new_task(client, labels=["print"], payload=BUSY) for _ in range(2))
    lease = eventually(lambda: _lease(client, task))
    worker.process.send_signal(signal.SIGTERM)
    eventually(lambda: client.get(f"/v1/tasks/{task}/lease").json()["expires_at"] > lease["expires_at"])
    client.patch(f"/v1/tasks/{task}", json={"status": "cancelled"}).raise_for_status()
    assert worker.end() == 0
    assert read(client, task)["status"] == "cancelled"
    assert read(client, next_one)["fence"] == 0


def test_a_worker_tries_again(client: httpx.Client, service: Service, language: str, tmp_path: Path) -> None:
    """After connections that end, and after an answer that is lost."""
    task = new_task(client, labels=["print"], payload={"order": "17"})
    with Proxy(service.port) as proxy:
        claims, ends = Fault("POST /v1/tasks/claim", "lose"), Fault("POST /v1/tasks/.*/complete", "lose")
        proxy.faults += [Fault("POST /v1/tasks/claim", "cut"), claims, ends]
        worker = Worker(language, variables(service, proxy.url), tmp_path)
        try:
            eventually(lambda: worker.lines() == [f"/tasks/{task} complete 200"])
            assert worker.said().count("trying again") == 3
            assert (read(client, task)["attempts"], read(client, task)["fence"]) == (0, 1)
        finally:
            worker.process.kill()
            worker.process.wait()


def test_sigterm_while_the_service_is_away(service: Service, language: str, tmp_path: Path) -> None:
    worker = Worker(language, variables(service, f"http://127.0.0.1:{free_port()}"), tmp_path)
    try:
        eventually(lambda: "trying again" in worker.said())
        worker.process.send_signal(signal.SIGTERM)
        assert worker.end() == 0
    finally:
        worker.process.kill()
        worker.process.wait()


def _lease(client: httpx.Client, task: str) -> dict[str, str] | None:
    found = client.get(f"/v1/tasks/{task}/lease")
    return found.json() if found.status_code == 200 else None


def _steal(client: httpx.Client, task: str, worker: Worker) -> str:
    """Let the worker sleep until its lease has expired, and claim the task."""
    worker.process.send_signal(signal.SIGSTOP)
    claim = {"worker": "thief", "ttl_s": 600}
    claimed = eventually(
        lambda: (answer := client.post(f"/v1/tasks/{task}/claim", json=claim)).status_code == 200 and answer.json()
    )
    worker.process.send_signal(signal.SIGCONT)
    token: str = claimed["lease"]["token"]
    return token


def test_they_are_short() -> None:
    files = [*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*.mjs")]
    assert len(files) == 4
    assert [file.name for file in files if len(file.read_text("utf-8").splitlines()) >= 80] == []

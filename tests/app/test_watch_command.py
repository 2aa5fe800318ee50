"""`taskpulse watch`."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from app.embedded_postgres import EmbeddedPostgres
from tests.leases import claim, new_task
from tests.service import TASKPULSE, Service, fresh_database


def command(service: Service, *options: str) -> list[str]:
    return [TASKPULSE, "watch", "--url", service.url, *options]


def start(service: Service, log: Path, *options: str) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        environment = {**os.environ, "TASKPULSE_KEY": service.key}
        return subprocess.Popen(command(service, *options), env=environment, stdout=out, stderr=out)


def wait_for(log: Path, lines: int) -> list[str]:
    deadline = time.monotonic() + 20
    while len(found := log.read_text().splitlines()) < lines:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def test_it_works(client: httpx.Client, service: Service, tmp_path: Path) -> None:
    task = new_task(client, title="Print\x1b[2J")
    claim(client, task)
    watching = start(service, tmp_path / "out", "--after", "0")
    created, claimed = wait_for(tmp_path / "out", 2)
    assert created[20:] == f"  created    {task}  Print?[2J  by tests"
    assert claimed.endswith('(status: "open" -> "in_progress", fence: 0 -> 1, worker: - -> "w1", attempt: - -> 1)')
    watching.send_signal(signal.SIGINT)
    assert watching.wait(10) == 0
    assert len(wait_for(tmp_path / "out", 2)) == 2


def test_json_and_filters(client: httpx.Client, service: Service, tmp_path: Path) -> None:
    new_task(client)
    task = new_task(client, labels=["print"])
    watching = start(service, tmp_path / "out", "--after", "0", "--label", "print", "--output", "json")
    (line,) = wait_for(tmp_path / "out", 1)
    assert json.loads(line)["task_id"] == task
    watching.terminate()
    assert watching.wait(10) == 0


@pytest.mark.slow
def test_it_comes_back_by_itself(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    with Service(fresh_database(postgres), tmp_path / "log") as own:
        watching = start(own, tmp_path / "out", "--after", "0", "--output", "json")
        expected = []
        for _ in range(2):
            headers = {"Authorization": f"Bearer {own.key}"}
            with httpx.Client(base_url=own.url, headers=headers) as client:
                expected += [new_task(client), new_task(client)]
            own.stop()
            own.start()
        wanted = time.monotonic() + 20
        got: list[str] = []
        while len(got) < len(expected) and time.monotonic() < wanted:
            lines = (tmp_path / "out").read_text().splitlines()
            got = [json.loads(line)["task_id"] for line in lines if line.startswith("{")]
            time.sleep(0.05)
        assert got == expected
        watching.send_signal(signal.SIGINT)
        assert watching.wait(10) == 0


def test_a_closed_pipe_ends_it_without_a_traceback(client: httpx.Client, service: Service) -> None:
    new_task(client)
    environment = {**os.environ, "TASKPULSE_KEY": service.key}
    watching = subprocess.Popen(
        command(service, "--after", "0"), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert watching.stdout is not None
    assert watching.stderr is not None
    assert watching.stdout.readline()
    watching.stdout.close()
    new_task(client)
    assert watching.wait(10) == 0
    assert watching.stderr.read() == b""
    watching.stderr.close()


def test_what_the_api_refuses_is_a_sentence(service: Service) -> None:
    for options, key, said in (
        (["--after", "x"], service.key, "Last-Event-ID is the id of an event"),
        ([], "tp_wrong", "401"),
    ):
        environment = {**os.environ, "TASKPULSE_KEY": key}
        refused = subprocess.run(
            command(service, *options), env=environment, capture_output=True, text=True, check=False, timeout=20
        )
        assert refused.returncode == 1
        assert said in refused.stderr
        assert "Traceback" not in refused.stderr

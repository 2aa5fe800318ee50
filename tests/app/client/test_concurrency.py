"""`taskpulse work --concurrency`."""

import os
import re
import signal
import sys
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.app.client.test_work_command import is_alive, worker
from tests.support.leases import expire, new_task, read
from tests.support.proxy import Fault, Proxy, problem
from tests.support.service import Service
from tests.support.waiting import eventually

SCRIPT = """
import json, os, pathlib, sys, time
task, folder = json.load(sys.stdin)["id"], pathlib.Path(sys.argv[1])
(folder / f"{task}.part").write_text(str(os.getpid()))
(folder / f"{task}.part").rename(folder / f"{task}.pid")
while not (folder / "end").exists() and not (folder / f"{task}.end").exists():
    time.sleep(0.02)
print("all of", end=" ", flush=True)
print("a line", task[-4:])
sys.exit((folder / f"{task}.fail").exists())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder in which each command notes that it runs, and finds the signal to end."""
    (tmp_path / "commands").mkdir()
    return tmp_path / "commands"


def command(folder: Path) -> list[str]:
    return [sys.executable, "-c", SCRIPT, str(folder)]


def running(folder: Path) -> dict[str, int]:
    """Return the processes of commands that have begun, by task."""
    return {path.stem: int(path.read_text()) for path in folder.glob("*.pid")}


def end_all(folder: Path) -> None:
    (folder / "end").touch()


def statuses(client: httpx.Client, ids: list[str]) -> list[str]:
    return [read(client, task_id)["status"] for task_id in ids]


def test_it_works(client: httpx.Client, service: Service, tmp_path: Path, folder: Path) -> None:
    ids = [new_task(client, max_attempts=1) for _ in range(5)]
    (folder / f"{ids[1]}.fail").touch()
    log = tmp_path / "log"
    with (
        Proxy(service.port) as proxy,
        worker(service, log, command(folder), "--concurrency", "3", "--ttl", "3", "--url", proxy.url) as process,
    ):
        eventually(lambda: len(running(folder)) == 3)
        eventually(lambda: proxy.count(r"POST /v1/tasks/pulse: passed") > 1)
        assert running(folder).keys() == set(ids[:3])
        assert statuses(client, ids) == ["in_progress"] * 3 + ["open"] * 2
        (folder / f"{ids[0]}.end").touch()
        eventually(lambda: len(running(folder)) == 4)
        end_all(folder)
        eventually(lambda: statuses(client, ids) == ["done", "failed", "done", "done", "done"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert not proxy.count("/tasks/[0-9a-f-]{36}/")
    assert [read(client, task_id)["result"] for task_id in ids[2:]] == [
        {"output": f"all of a line {task_id[-4:]}"} for task_id in ids[2:]
    ]
    lines = log.read_text().splitlines()
    assert {f"{task_id} | all of a line {task_id[-4:]}" for task_id in ids} <= set(lines)
    assert all(re.match(r"taskpulse: |[0-9a-f-]{36} \| ", line) for line in lines)


def test_a_lost_lease_ends_its_own_command_alone(
    client: httpx.Client, service: Service, database: psycopg.Connection, tmp_path: Path, folder: Path
) -> None:
    lost, kept = new_task(client), new_task(client)
    with worker(service, tmp_path / "log", command(folder), "--concurrency", "2", "--ttl", "3"):
        eventually(lambda: len(running(folder)) == 2)

        def take_over() -> bool:
            """Claim it, unless a pulse came first."""
            expire(database, lost)
            response = client.post(f"/v1/tasks/{lost}/claim", json={"worker": "w2", "ttl_s": 600})
            return response.status_code == 200

        eventually(take_over)
        eventually(lambda: not is_alive(running(folder)[lost]))
        assert is_alive(running(folder)[kept])
        end_all(folder)
        eventually(lambda: read(client, kept)["status"] == "done")
    assert (read(client, lost)["status"], read(client, lost)["fence"]) == ("in_progress", 2)


def test_a_cancelled_task_ends_its_own_command_alone(
    client: httpx.Client, service: Service, tmp_path: Path, folder: Path
) -> None:
    cancelled, kept = new_task(client), new_task(client)
    with worker(service, tmp_path / "log", command(folder), "--concurrency", "2", "--ttl", "3"):
        eventually(lambda: len(running(folder)) == 2)
        client.post("/v1/tasks/cancel", json={"ids": [cancelled]}).raise_for_status()
        eventually(lambda: read(client, cancelled)["status"] == "cancelled")
        assert is_alive(running(folder)[kept])
        end_all(folder)
        eventually(lambda: read(client, kept)["status"] == "done")


def test_sigterm_drains_all(client: httpx.Client, service: Service, tmp_path: Path, folder: Path) -> None:
    ids = [new_task(client) for _ in range(3)]
    log = tmp_path / "log"
    with worker(service, log, command(folder), "--concurrency", "2") as process:
        eventually(lambda: len(running(folder)) == 2)
        process.send_signal(signal.SIGTERM)
        eventually(lambda: b"draining: finishing the 2 tasks at hand" in log.read_bytes())
        end_all(folder)
        assert process.wait(60) == 0
    assert statuses(client, ids) == ["done", "done", "open"]


def test_a_second_sigterm_gives_all_back(client: httpx.Client, service: Service, tmp_path: Path, folder: Path) -> None:
    ids = [new_task(client) for _ in range(2)]
    log = tmp_path / "log"
    with worker(service, log, command(folder), "--concurrency", "2") as process:
        eventually(lambda: len(running(folder)) == 2)
        process.send_signal(signal.SIGTERM)
        eventually(lambda: b"draining" in log.read_bytes())
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert not any(map(is_alive, running(folder).values()))
    assert [(read(client, task_id)["status"], read(client, task_id)["attempts"]) for task_id in ids] == [
        ("open", 0)
    ] * 2


def test_a_release_that_lacks_the_calls_is_asked_for_each_task(
    client: httpx.Client, service: Service, tmp_path: Path, folder: Path
) -> None:
    """As during a rollout: the pods of the release before answer that nothing is there."""
    ids = [new_task(client, max_attempts=1) for _ in range(3)]
    (folder / f"{ids[1]}.fail").touch()
    missing = Fault(r"/tasks/(pulse|complete|fail)$", "answer", times=1_000_000, answer=problem(404, "not-found"))
    with (
        Proxy(service.port, [missing]) as proxy,
        worker(service, tmp_path / "log", command(folder), "--concurrency", "3", "--ttl", "3", "--url", proxy.url),
    ):
        eventually(lambda: len(running(folder)) == 3)
        eventually(lambda: proxy.count(r"/pulse: passed") > 3)
        end_all(folder)
        eventually(lambda: statuses(client, ids) == ["done", "failed", "done"])


def test_lost_answers_are_asked_for_again(client: httpx.Client, service: Service, tmp_path: Path, folder: Path) -> None:
    ids = [new_task(client) for _ in range(3)]
    faults = [Fault("/tasks/claim", "lose"), Fault("/tasks/complete$", "lose"), Fault("/tasks/complete$", "half")]
    with (
        Proxy(service.port, faults) as proxy,
        worker(service, tmp_path / "log", command(folder), "--concurrency", "3", "--url", proxy.url),
    ):
        eventually(lambda: len(running(folder)) == 3)
        end_all(folder)
        eventually(lambda: [fault.times for fault in faults] == [0, 0, 0])
    assert statuses(client, ids) == ["done"] * 3
    assert [read(client, task_id)["fence"] for task_id in ids] == [1, 1, 1]


def test_a_command_that_can_be_started_no_more_lets_the_others_end(
    client: httpx.Client, service: Service, tmp_path: Path, folder: Path
) -> None:
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{SCRIPT}' {folder}\n")
    script.chmod(0o755)
    first, log = new_task(client), tmp_path / "log"
    with worker(service, log, [str(script)], "--concurrency", "2") as process:
        eventually(lambda: len(running(folder)) == 1)
        script.unlink()
        second = new_task(client)
        eventually(lambda: b"cannot be started" in log.read_bytes())
        os.kill(running(folder)[first], 0)
        end_all(folder)
        assert process.wait(60) == 1
    assert statuses(client, [first, second]) == ["done", "open"]
    assert read(client, second)["attempts"] == 0

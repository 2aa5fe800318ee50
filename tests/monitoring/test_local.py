"""What `make run-monitoring` says to bad input, that it runs on other ports, and what it shows on the board."""

import fcntl
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from app.dev.postgres import EmbeddedPostgres
from app.keys import admin as keys
from monitoring.local.examples import Examples
from monitoring.local.run import main
from tests.support.service import Service, free_port, fresh_database
from tests.support.waiting import eventually

OPTIONS = ("--port", "--prometheus-port", "--alertmanager-port", "--webhook-port")


@pytest.mark.parametrize("option", OPTIONS)
def test_a_port_that_is_none_is_refused_in_a_sentence(option: str) -> None:
    answer = CliRunner().invoke(main, [option, "99999"])
    assert answer.exit_code == 2
    assert "99999 is not in the range 1<=x<=65535" in answer.output


def test_a_port_that_is_taken_is_named_with_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ports = [str(free_port()), port, str(free_port()), str(free_port())]
        answer = CliRunner().invoke(main, [*flat(ports), "--data", str(tmp_path)])
    assert answer.exit_code == 1
    assert f"Port {port} of 127.0.0.1 is taken: stop what listens there, or choose another by PROMETHEUS_PORT=." in (
        answer.output
    )


def test_two_ports_that_are_the_same_are_refused(tmp_path: Path) -> None:
    port = str(free_port())
    ports = [str(free_port()), str(free_port()), port, port]
    answer = CliRunner().invoke(main, [*flat(ports), "--data", str(tmp_path)])
    assert answer.exit_code == 1
    assert f"ALERTMANAGER_PORT and WEBHOOK_PORT are both {port}" in answer.output


def test_a_second_one_with_the_same_data_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "monitoring.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        answer = CliRunner().invoke(main, [*flat([str(free_port()) for _ in OPTIONS]), "--data", str(tmp_path)])
    assert answer.exit_code == 1
    assert f"Another `make run-monitoring` uses {tmp_path}: stop it, or choose another" in answer.output


def flat(ports: list[str]) -> list[str]:
    return [word for pair in zip(OPTIONS, ports, strict=True) for word in pair]


@pytest.mark.slow
def test_it_runs_on_ports_of_ones_choosing(tmp_path: Path) -> None:
    """Until its alert is shown as Slack would show it."""
    ports = [str(free_port()) for _ in OPTIONS]
    command = [sys.executable, "-u", "-m", "monitoring.local.run", *flat(ports), "--data", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        limit = threading.Timer(400, running.kill)
        limit.start()
        assert running.stdout is not None
        said = ""
        for line in running.stdout:
            said += line
            if f"<http://127.0.0.1:{ports[0]}/board?view=tasks&lease=expired|Board>" in line:
                break
        limit.cancel()
        running.send_signal(signal.SIGTERM)
        said += running.stdout.read()
    assert "FIRING · warning · TaskPulseWorkerQuiet in taskpulse-dev" in said, said
    for port in ports[:3]:
        assert f"http://127.0.0.1:{port}/" in said
    key = (tmp_path / "key").read_text("utf-8").strip()
    assert f"http://127.0.0.1:{ports[0]}/board   (sign in with the key {key})" in said
    assert not (tmp_path / "postgres").exists(), "the database of make run"
    assert not (tmp_path / "monitoring" / "service").exists()


@pytest.fixture
def client(own_service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=own_service.url, headers={"Authorization": f"Bearer {own_service.key}"}) as client:
        yield client


@pytest.fixture
def own_service(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[Service]:
    with Service(fresh_database(postgres), tmp_path / "log") as service:
        yield service


def leases(client: httpx.Client) -> dict[str, dict[str, Any]]:
    """The leases, by worker."""
    items = client.get("/v1/leases").raise_for_status().json()["items"]
    return {item["worker"]: item for item in items}


def test_the_board_has_something_of_each_kind(client: httpx.Client) -> None:
    examples = Examples(client)
    examples.step()
    before = leases(client)
    assert before.keys() == {"night-shift", "day-shift", "scanner-1", "scanner-2"}
    examples.step()
    for worker in ("day-shift", "scanner-1", "scanner-2"):
        after = leases(client)[worker]
        assert after["state"] == "live"
        assert after["progress"] > before[worker]["progress"]
    eventually(lambda: leases(client)["night-shift"]["state"] == "quiet")
    assert leases(client)["night-shift"]["task_id"] == examples.quiet
    for query in ("lease=expired", "overdue=true", "status=failed"):
        assert len(client.get(f"/v1/tasks?{query}").json()["items"]) == 1, query
    queues = client.get("/v1/queues").json()["items"]
    assert [(each["ready"], each["max_leases"]) for each in queues if each["label"] == "print"] == [(3, 2)]


def test_a_worker_takes_the_next_task_when_somebody_cancels_its_own_on_the_board(client: httpx.Client) -> None:
    examples = Examples(client)
    examples.step()
    held = leases(client)["scanner-1"]
    client.post("/v1/tasks/cancel", json={"ids": [held["task_id"]]}).raise_for_status()
    for _ in range(3):
        examples.step()
    assert client.get(f"/v1/tasks/{held['task_id']}").json()["status"] == "cancelled"
    again = leases(client)["scanner-1"]
    assert again["state"] == "live"
    assert again["task_id"] != held["task_id"]


def test_a_key_of_another_database_is_taken_over_once(own_service: Service, postgres: EmbeddedPostgres) -> None:
    """So `make run` and `make run-monitoring` have the same key; one that was revoked does not come back."""
    token = keys.create(own_service.settings, "one", ("read",), None)
    with_key = fresh_database(postgres)
    assert keys.create(with_key, "two", ("read",), None, token) == token
    assert keys.holds(with_key, token)
    keys.revoke(with_key, token)
    assert keys.create(with_key, "three", ("read",), None, token) != token
    assert not keys.holds(with_key, token)
    assert keys.create(with_key, "four", ("read",), None, "no key") != "no key"

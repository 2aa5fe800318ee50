"""`taskpulse work`."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from app.client.work import WAIT_S
from app.dev.postgres import EmbeddedPostgres
from tests.support.leases import Json, expire, new_task, read
from tests.support.proxy import Fault, Proxy, response
from tests.support.service import TASKPULSE, Service, fresh_database
from tests.support.waiting import Until, eventually, wait_for_claims

PYTHON = [sys.executable, "-c"]


@contextlib.contextmanager
def worker(service: Service, log: Path, command: list[str], *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker; it is killed in the end if it still lives."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [TASKPULSE, "work", "--url", service.url, "--worker", "w1", *options, "--", *command],
            env={**os.environ, "TASKPULSE_KEY": service.key},
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def finished(client: httpx.Client, task_id: str) -> Json:
    def check() -> Json | None:
        task = read(client, task_id)
        return task if task["finished_at"] else None

    task: Json = eventually(check)
    return task


def expiry(client: httpx.Client, task_id: str) -> str:
    """Return when the lease ends; empty while there is none."""
    lease = client.get(f"/v1/tasks/{task_id}/lease")
    return str(lease.json()["expires_at"]) if lease.status_code == 200 else ""


def last_event(client: httpx.Client, task_id: str) -> Json:
    """Return what was written after the last change."""
    after: Json = client.get(f"/v1/tasks/{task_id}/history").json()["items"][-1]["after"]
    return after


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_it_works(client: httpx.Client, service: Service, tmp_path: Path) -> None:
    task_id = new_task(client, title="Print", payload={"copies": 2}, labels=["print"])
    other = new_task(client)
    script = "import json, sys; task = json.load(sys.stdin); print(task['title'], task['payload'], task['fence'])"
    with worker(service, tmp_path / "log", [*PYTHON, script], "--label", "print"):
        assert finished(client, task_id)["status"] == "done"
    assert last_event(client, task_id)["result"] == {"output": "Print {'copies': 2} 1"}
    assert read(client, other)["status"] == "open"


def test_a_failure_is_told_with_the_last_lines(client: httpx.Client, service: Service, tmp_path: Path) -> None:
    task_id = new_task(client, max_attempts=2)
    script = "import sys; print('\\n'.join(map(str, range(99)))); print('no paper', file=sys.stderr); sys.exit(3)"
    with worker(service, tmp_path / "log", [*PYTHON, script]):
        task = finished(client, task_id)
    assert (task["status"], task["attempts"]) == ("failed", 2)
    error = last_event(client, task_id)["error"].splitlines()
    assert error[0] == "exit status 3"
    assert len(error) == 21
    assert {"no paper", "98"} <= set(error)


def test_a_death_by_a_signal_without_a_name_is_a_failure(
    client: httpx.Client, service: Service, tmp_path: Path
) -> None:
    task_id = new_task(client, max_attempts=1)
    with worker(service, tmp_path / "log", ["sh", "-c", "kill -40 $$"]):
        assert finished(client, task_id)["status"] == "failed"
        assert last_event(client, task_id)["error"] == "killed by signal 40"


def test_output_that_grows_as_json_still_fits_a_result(client: httpx.Client, service: Service, tmp_path: Path) -> None:
    task_id = new_task(client, max_attempts=1)
    with worker(service, tmp_path / "log", [*PYTHON, r"print('\x01' * 5000)"]):
        assert finished(client, task_id)["status"] == "done"
    assert set(last_event(client, task_id)["result"]["output"]) == {"\x01"}


def test_what_the_command_leaves_behind_is_not_waited_for(
    client: httpx.Client, service: Service, tmp_path: Path
) -> None:
    task_id, pid = new_task(client), tmp_path / "pid"
    with worker(service, tmp_path / "log", ["sh", "-c", f"sleep 600 & echo $! >{pid}; printf begun"]):
        finished(client, task_id)
    left_behind = int(pid.read_text())
    assert is_alive(left_behind)
    os.kill(left_behind, signal.SIGTERM)
    assert last_event(client, task_id)["result"] == {"output": "begun"}


def test_what_commands_leave_behind_keeps_no_file_of_the_worker_open(
    client: httpx.Client, service: Service, tmp_path: Path
) -> None:
    """Otherwise a worker cannot start any command after some hundred tasks."""
    pids = tmp_path / "pids"
    with worker(service, tmp_path / "log", ["sh", "-c", f"sleep 600 & echo $! >>{pids}"]) as process:
        files = Path(f"/proc/{process.pid}/fd")
        counts = []
        for _ in range(3):
            finished(client, new_task(client))
            counts.append(len(list(files.iterdir())))
    for pid in pids.read_text().split():
        os.kill(int(pid), signal.SIGTERM)
    assert counts[2] <= counts[0]


@pytest.mark.parametrize("spoil", [Path.unlink, lambda script: script.write_text("#!/no/such/interpreter\n")])
def test_a_command_that_can_be_started_no_more_spends_no_attempt(
    client: httpx.Client, service: Service, tmp_path: Path, spoil: Callable[[Path], Any]
) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    with worker(service, tmp_path / "log", [str(script)]) as process:
        finished(client, new_task(client))
        spoil(script)
        task_id = new_task(client, max_attempts=1)
        assert process.wait(60) == 1
    assert (read(client, task_id)["status"], expiry(client, task_id)) == ("open", "")
    assert "cannot be started: No such file or directory." in (tmp_path / "log").read_text()


@pytest.mark.parametrize("answer", [response(204), response(200, '{"items":[]}', "application/json")])
def test_an_answer_without_a_task_that_comes_at_once_is_followed_by_a_pause(
    service: Service, tmp_path: Path, answer: bytes
) -> None:
    faults = [Fault("/claim$", "answer", times=1000, answer=answer)]
    started = time.monotonic()
    with Proxy(service.port, faults) as proxy, worker(service, tmp_path / "log", ["true"], "--url", proxy.url) as it:
        eventually(lambda: len(proxy.seen) > 4)
        assert time.monotonic() - started > 0.25 + 0.5 + 1 + 2  # the shortest pauses; a slow machine takes longer
        it.terminate()
        assert it.wait(60) == 0


def test_it_pulses_while_the_command_runs(client: httpx.Client, service: Service, tmp_path: Path) -> None:
    task_id = new_task(client, max_attempts=1)
    script, seen = Until(tmp_path), set[str]()

    def pulsed_twice() -> bool:
        seen.add(expiry(client, task_id))
        return len(seen - {""}) > 2

    with worker(service, tmp_path / "log", script.command, "--ttl", "6"):
        eventually(pulsed_twice)
        script.end()
        assert finished(client, task_id)["status"] == "done"
    assert [event["action"] for event in client.get(f"/v1/tasks/{task_id}/history").json()["items"]] == [
        "created",
        "claimed",
        "completed",
    ]


def test_a_cancelled_task_ends_the_command_and_its_children(
    client: httpx.Client, service: Service, tmp_path: Path
) -> None:
    task_id = new_task(client)
    pids = tmp_path / "pids"
    script = (
        "import os, subprocess, sys, time;"
        "child = subprocess.Popen(['sleep', '60']);"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}'); time.sleep(60)"
    )
    with worker(service, tmp_path / "log", [*PYTHON, script], "--ttl", "6"):
        eventually(lambda: pids.exists() and len(pids.read_text().split()) == 2)
        client.patch(f"/v1/tasks/{task_id}", json={"status": "cancelled"})
        assert finished(client, task_id)["status"] == "cancelled"
        assert not any(is_alive(int(pid)) for pid in pids.read_text().split())


def test_a_lost_lease_ends_the_command(
    client: httpx.Client, service: Service, database: psycopg.Connection, tmp_path: Path
) -> None:
    task_id = new_task(client)
    pid = tmp_path / "pid"
    script = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(60)"

    def take_over() -> Any:
        """Claim it, unless a pulse came first."""
        expire(database, task_id)
        response = client.post(f"/v1/tasks/{task_id}/claim", json={"worker": "w2", "ttl_s": 60})
        return response.json() if response.status_code == 200 else None

    with worker(service, tmp_path / "log", [*PYTHON, script], "--ttl", "3"):
        eventually(lambda: pid.exists() and pid.read_text())
        lease = eventually(take_over)["lease"]
        eventually(lambda: not is_alive(int(pid.read_text())))
        assert lease["fence"] == 2
        response = client.post(f"/v1/tasks/{task_id}/complete", json={"token": lease["token"]})
        assert response.status_code == 200


def test_sigterm_drains(client: httpx.Client, service: Service, tmp_path: Path) -> None:
    first, second = new_task(client), new_task(client)
    script, log = Until(tmp_path), tmp_path / "log"
    with worker(service, log, script.command) as process:
        eventually(lambda: b": Work" in log.read_bytes())
        process.send_signal(signal.SIGTERM)
        eventually(lambda: b"draining" in log.read_bytes())
        script.end()
        assert process.wait(60) == 0
    assert read(client, first)["status"] == "done"
    assert read(client, second)["status"] == "open"


def test_a_second_sigterm_gives_the_task_back(client: httpx.Client, service: Service, tmp_path: Path) -> None:
    task_id = new_task(client)
    with worker(service, tmp_path / "log", [*PYTHON, "import time; time.sleep(60)"]) as process:
        eventually(lambda: b": Work" in (tmp_path / "log").read_bytes())
        process.send_signal(signal.SIGTERM)
        eventually(lambda: b"draining" in (tmp_path / "log").read_bytes())
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    task = read(client, task_id)
    assert (task["status"], task["attempts"]) == ("open", 0)


def test_sigterm_ends_a_worker_that_waits(client: httpx.Client, service: Service, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with worker(service, log, ["true"]) as process:
        eventually(lambda: b"waiting for tasks" in log.read_bytes())
        wait_for_claims(service)
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S - 5) == 0
    task_id = new_task(client)
    assert read(client, task_id)["status"] == "open"


@pytest.mark.skipif(not Path("/usr/bin/setpriv").exists(), reason="util-linux is not here")
def test_the_command_dies_with_a_killed_worker(client: httpx.Client, service: Service, tmp_path: Path) -> None:
    new_task(client)
    pid = tmp_path / "pid"
    script = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    with worker(service, tmp_path / "log", [*PYTHON, script]) as process:
        eventually(lambda: pid.exists() and pid.read_text())
        process.kill()
        eventually(lambda: not is_alive(int(pid.read_text())))


def test_it_rides_out_an_api_that_is_away(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    with (
        Service(fresh_database(postgres), tmp_path / "service.log") as service,
        httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {service.key}"}) as client,
    ):
        first = new_task(client, max_attempts=1)
        log, script = tmp_path / "log", Until(tmp_path)
        with worker(service, log, script.command, "--ttl", "2"), psycopg.connect(service.conninfo) as database:
            database.autocommit = True
            eventually(lambda: read(client, first)["status"] == "in_progress")
            service.stop(signal.SIGKILL)
            eventually(lambda: b"trying again" in log.read_bytes())
            eventually(lambda: database.execute("select from leases where expires_at < clock_timestamp()").fetchall())
            script.end()
            service.start()
            assert finished(client, first)["status"] == "done"
            second = new_task(client)
            assert finished(client, second)["status"] == "done"


def test_a_wrong_key_is_told(service: Service, tmp_path: Path) -> None:
    run = subprocess.run(
        [TASKPULSE, "work", "--url", service.url, "--", "true"],
        env={**os.environ, "TASKPULSE_KEY": "tp_nonsense"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 1
    assert f"Error: This worker cannot claim: {service.url}/v1/tasks/claim answers 401" in run.stderr


RUN_OPTIONS = ["run", "--title", "x", "--every", "1h", "--grace", "1h"]


@pytest.mark.parametrize("command", [["work"], RUN_OPTIONS], ids=["work", "run"])
def test_a_command_that_cannot_be_started_leaves_no_lease(
    client: httpx.Client, service: Service, database: psycopg.Connection, tmp_path: Path, command: list[str]
) -> None:
    """Its interpreter does not exist, and there is no setpriv that would start in its place."""
    if command == ["work"]:
        new_task(client)
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    run = subprocess.run(
        [TASKPULSE, *command, "--url", service.url, "--", str(script)],
        env={**os.environ, "TASKPULSE_KEY": service.key, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 1
    assert f"{str(script)!r} cannot be started: No such file or directory." in run.stderr
    assert not database.execute("select from leases").fetchall()
    statuses = sorted(task["status"] for task in client.get("/v1/tasks").json()["items"])
    assert statuses == (["open"] if command == ["work"] else ["failed", "open"])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [(["--", "no-such-command"], "'no-such-command' is not a command"), (["--", "true"], "There is no key")],
)
def test_what_is_wrong_is_told_before_anything_is_claimed(options: list[str], sentence: str) -> None:
    variables = {name: value for name, value in os.environ.items() if name != "TASKPULSE_KEY"}
    command = [TASKPULSE, "work", "--url", "http://127.0.0.1:9", *options]
    run = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 2
    assert run.stderr.startswith("Usage: taskpulse work ")
    assert f"\n\nError: {sentence}" in run.stderr


@pytest.mark.parametrize("command", [["work"], RUN_OPTIONS])
@pytest.mark.parametrize(
    ("url", "key", "sentence"),
    [
        ("localhost:8000", "tp_1", "'localhost:8000' is not the address of an API, as in http://localhost:8000."),
        ("http://localhost:port", "tp_1", "'http://localhost:port' is not the address of an API"),
        ("http://ü..x", "tp_1", "'http://ü..x' is not the address of an API"),
        ("http://xn--/", "tp_1", "'http://xn--/' is not the address of an API"),
        ("http://localhost\x01", "tp_1", "is not the address of an API"),
        ("http://me:secret@localhost", "tp_1", "The address of an API has no user"),
        ("http://localhost/?q=1", "tp_1", "The address of an API has no user, no query"),
        ("http://localhost", "tp_ü", "The key must be one word that begins with tp_"),
        ("http://localhost", "tp_1 tp_2", "The key must be one word that begins with tp_"),
    ],
)
def test_a_wrong_address_or_key_is_told(command: list[str], url: str, key: str, sentence: str) -> None:
    run = subprocess.run(
        [TASKPULSE, *command, "--url", url, "--", "true"],
        env={**os.environ, "TASKPULSE_KEY": key},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 2
    assert sentence in " ".join(run.stderr.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["work", "--label", b"caf\xe9", "--", "true"],
        ["work", "--worker", b"caf\xe9", "--", "true"],
        ["run", "--title", b"caf\xe9", "--every", "1h", "--grace", "1h", "--", "true"],
        ["watch", "--after", b"caf\xe9"],
        ["watch", "--task", b"caf\xe9"],
        ["watch", "--label", b"caf\xe9"],
        ["watch", "--assignee", b"caf\xe9"],
    ],
    ids=lambda arguments: " ".join(map(str, arguments[:2])),
)
def test_text_that_is_not_utf_8_is_told(arguments: list[str | bytes]) -> None:
    variables = {**os.environ, "TASKPULSE_KEY": "tp_1", "TASKPULSE_URL": "http://127.0.0.1:9"}
    run = subprocess.run([TASKPULSE, *arguments], env=variables, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "'caf\\udce9' is not UTF-8" in " ".join(run.stderr.split())


@pytest.mark.parametrize(
    "variable",
    [
        {"SSL_CERT_FILE": "/no/such/file"},
        {"ALL_PROXY": "socks5://localhost:1"},
        {"HTTP_PROXY": "gopher://localhost:1"},
        {"HTTP_PROXY": "http://localhost:1", "NO_PROXY": "[::1"},
    ],
    ids=str,
)
def test_an_environment_without_a_connection_is_told_and_stops_no_script(variable: dict[str, str]) -> None:
    variables = {**os.environ, "TASKPULSE_KEY": "tp_1", "TASKPULSE_URL": "http://127.0.0.1:9", **variable}
    commands = {
        1: [["work", "--", "true"], ["watch"]],
        3: [["run", "--title", "x", "--every", "1h", "--grace", "1h", "--", "sh", "-c", "exit 3"]],
    }
    for status, each in commands.items():
        for arguments in each:
            run = subprocess.run([TASKPULSE, *arguments], env=variables, capture_output=True, text=True, check=False)
            assert run.returncode == status
            assert "o connection can be made" in run.stderr
            assert "Traceback" not in run.stderr


def test_the_task_on_standard_input_is_the_one_the_api_has(
    client: httpx.Client, service: Service, tmp_path: Path
) -> None:
    task_id = new_task(client, description="ü" * 10_000)
    seen = tmp_path / "seen"
    with worker(service, tmp_path / "log", ["sh", "-c", f"cat > {seen}"]):
        finished(client, task_id)
    task = json.loads(seen.read_text())
    assert (task["id"], task["description"], task["status"]) == (task_id, "ü" * 10_000, "in_progress")

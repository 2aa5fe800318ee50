"""`taskpulse run`."""

import asyncio
import os
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from app.client.api import Api
from app.client.heartbeat import Claimed
from app.client.key import Key
from app.client.run import Heartbeat, StillRunningError, label_of
from tests.support.leases import Json
from tests.support.service import TASKPULSE, Service
from tests.support.waiting import Until, eventually

Run = subprocess.Popen[str]


def start(service: Service, *command: str, title: str = "backup", grace: str = "2h", url: str | None = None) -> Run:
    return subprocess.Popen(
        [
            *[TASKPULSE, "run", "--url", url or service.url, "--title", title],
            *["--every", "24h", "--grace", grace, "--", *command],
        ],
        env={**os.environ, "TASKPULSE_KEY": service.key},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(service: Service, *command: str, title: str = "backup", url: str | None = None) -> tuple[int, str, str]:
    process = start(service, *command, title=title, url=url)
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


def tasks(client: httpx.Client, title: str = "backup") -> list[Json]:
    items: list[Json] = client.get("/v1/tasks", params={"label": label_of(title)}).json()["items"]
    return sorted(items, key=lambda task: str(task["created_at"]))


def test_it_works(client: httpx.Client, service: Service) -> None:
    status, output, _ = run(service, "echo", "saved")
    assert (status, output) == (0, "saved\n")
    today, following = tasks(client)
    assert (today["title"], today["status"]) == ("backup", "done")
    assert following["status"] == "open"
    due_in = datetime.fromisoformat(following["due_at"]) - datetime.now(UTC)
    assert timedelta(hours=25, minutes=59) < due_in <= timedelta(hours=26)


def test_the_next_run_takes_the_task_that_waits(client: httpx.Client, service: Service) -> None:
    for _ in range(3):
        assert run(service, "true")[0] == 0
    assert [task["status"] for task in tasks(client)] == ["done", "done", "done", "open"]


def test_a_script_that_fails_says_so(client: httpx.Client, service: Service) -> None:
    assert run(service, "sh", "-c", "echo no space >&2; exit 4")[0] == 4
    today, following = tasks(client)
    assert (today["status"], following["status"]) == ("failed", "open")
    error = client.get(f"/v1/tasks/{today['id']}/history").json()["items"][-1]["after"]["error"]
    assert error == "exit status 4\nno space"


def test_a_script_that_hangs_goes_quiet(client: httpx.Client, service: Service) -> None:
    process = start(service, "sleep", "60", grace="1s")
    try:
        assert process.stderr is not None
        assert "no more pulses" in process.stderr.readline()
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_two_runs_do_not_overlap(client: httpx.Client, service: Service, tmp_path: Path) -> None:
    script = Until(tmp_path)
    first = start(service, *script.command)
    eventually(lambda: [task for task in tasks(client) if task["status"] == "in_progress"])
    status, _, errors = run(service, "true")
    assert status == 75
    assert "the run before has not ended" in errors
    script.end()
    first.communicate(timeout=60)
    assert [task["status"] for task in tasks(client)] == ["done", "open"]


def test_first_runs_at_the_same_moment_share_one_task(client: httpx.Client, service: Service) -> None:
    async def begin_all(title: str) -> list[Claimed | BaseException]:
        async with Api(service.url, Key(service.key)) as api:
            runs = [Heartbeat(api, title, timedelta(days=1), timedelta(hours=1), f"w{n}").begin() for n in range(3)]
            return await asyncio.gather(*runs, return_exceptions=True)

    for title in ("backup", "once more", "and again"):
        minute = time.time() // 60  # which is the moment
        begun = asyncio.run(begin_all(title))
        if time.time() // 60 == minute:
            break
    assert [type(outcome) for outcome in begun].count(StillRunningError) == 2
    assert [task["status"] for task in tasks(client, title)] == ["in_progress", "open"]


def test_sigterm_reaches_the_script(client: httpx.Client, service: Service) -> None:
    process = start(service, "sh", "-c", "echo begun; sleep 60")
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert [task["status"] for task in tasks(client)] == ["failed", "open"]


@pytest.mark.slow
def test_the_script_runs_though_the_api_is_away(service: Service, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    status, _, errors = run(service, "touch", str(proof), url="http://127.0.0.1:9")
    assert status == 0
    assert proof.exists()
    assert "running without a heartbeat" in errors


@pytest.mark.parametrize("span", ["24", "0s", "1w", "9999d"])
def test_a_wrong_duration_is_told(service: Service, span: str) -> None:
    result = subprocess.run(
        [TASKPULSE, "run", "--url", service.url, "--title", "x", "--every", span, "--grace", "1h", "--", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert "s, m, h or d" in result.stderr


def test_labels_of_long_titles_differ() -> None:
    titles = ["x" * 200, "x" * 199, "backup", "y" * 46]
    labels = [label_of(title) for title in titles]
    assert len(set(labels)) == 4
    assert max(map(len, labels)) <= 50

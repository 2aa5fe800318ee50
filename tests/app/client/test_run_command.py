"""`taskpulse run`."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from app.client.api import Api
from app.client.heartbeat import Claimed
from app.client.key import Key
from app.client.run import Expectation, ScriptTasks, StillRunningError, label_of
from app.client.schedule import Every
from tests.support.leases import Json
from tests.support.proxy import Fault, Proxy
from tests.support.service import TASKPULSE, Service
from tests.support.waiting import Until, eventually

Run = subprocess.Popen[str]


DAILY = ("--every", "24h", "--grace", "2h")


def start(
    service: Service,
    *command: str,
    title: str = "backup",
    options: Sequence[str] = DAILY,
    url: str | None = None,
) -> Run:
    return subprocess.Popen(
        [TASKPULSE, "run", "--url", url or service.url, "--title", title, *options, "--", *command],
        env={**os.environ, "TASKPULSE_KEY": service.key},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(service: Service, *command: str, **how: Any) -> tuple[int, str, str]:
    process = start(service, *command, **how)
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


def tasks(client: httpx.Client, title: str = "backup") -> list[Json]:
    items: list[Json] = client.get("/v1/tasks", params={"label": label_of(title)}).json()["items"]
    return sorted(items, key=lambda task: str(task["created_at"]))


def due_in(task: Json) -> timedelta:
    return datetime.fromisoformat(task["due_at"]) - datetime.now(UTC)


def overdue(client: httpx.Client) -> list[Json]:
    """Return what the metric of overdue tasks counts."""
    items: list[Json] = client.get("/v1/tasks", params={"overdue": "true"}).json()["items"]
    return [task for task in items if not task["finished_at"]]


def test_it_works(client: httpx.Client, service: Service) -> None:
    status, output, _ = run(service, "echo", "saved")
    assert (status, output) == (0, "saved\n")
    today, following = tasks(client)
    assert (today["title"], today["status"]) == ("backup", "done")
    assert following["status"] == "open"
    assert timedelta(hours=25, minutes=59) < due_in(following) <= timedelta(hours=26)


def test_the_next_run_takes_the_task_that_waits(client: httpx.Client, service: Service) -> None:
    for _ in range(3):
        assert run(service, "true")[0] == 0
    assert [task["status"] for task in tasks(client)] == ["done", "done", "done", "open"]


def test_no_other_worker_can_take_the_task_that_waits(client: httpx.Client, service: Service) -> None:
    """Not when the next run is missing, either: whoever finished the task would end that alert."""
    assert run(service, "true", options=("--every", "1s", "--grace", "1s"))[0] == 0
    eventually(lambda: overdue(client))
    assert client.post("/v1/tasks/claim", json={"worker": "w", "ttl_s": 60}).status_code == 204
    [waiting] = overdue(client)
    assert waiting["claimable_at"] == waiting["run_after"]
    assert run(service, "true")[0] == 0
    [_, taken, following] = tasks(client)
    assert (taken["id"], taken["status"], taken["run_after"]) == (waiting["id"], "done", None)
    assert following["run_after"] > following["due_at"]


def test_the_script_gets_the_task_to_the_last_digit(client: httpx.Client, service: Service) -> None:
    payload = '{"n":[0.10,1e308,123456789012345678901234567890.10]}'
    run(service, "true")
    body = f'{{"payload": {payload}}}'
    client.patch(f"/v1/tasks/{tasks(client)[1]['id']}", content=body, headers={"Content-Type": "application/json"})
    assert f'"payload":{payload}' in run(service, "cat")[1]


def test_a_script_that_fails_says_so(client: httpx.Client, service: Service) -> None:
    assert run(service, "sh", "-c", "echo no space >&2; exit 4")[0] == 4
    today, following = tasks(client)
    assert (today["status"], following["status"]) == ("failed", "open")
    error = client.get(f"/v1/tasks/{today['id']}/history").json()["items"][-1]["after"]["error"]
    assert error == "exit status 4\nno space"


def test_a_script_that_hangs_goes_quiet(client: httpx.Client, service: Service) -> None:
    process = start(service, "sleep", "60", options=["--every", "24h", "--grace", "1s"])
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
    expected = Expectation(Every(timedelta(days=1)), timedelta(hours=1), timedelta(hours=1))

    async def begin_all(title: str) -> list[Claimed | BaseException]:
        async with Api(service.url, Key(service.key)) as api:
            runs = [ScriptTasks(api, title, expected, f"w{n}").begin() for n in range(3)]
            return await asyncio.gather(*runs, return_exceptions=True)

    for title in ("backup", "once more", "and again"):
        minute = time.time() // 60  # which is the moment
        begun = asyncio.run(begin_all(title))
        if time.time() // 60 == minute:
            break
    assert [type(outcome) for outcome in begun].count(StillRunningError) == 2
    assert [task["status"] for task in tasks(client, title)] == ["in_progress"]


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


class TestGraces:
    def test_a_command_that_ends_in_time_does_not_take_too_long(self, client: httpx.Client, service: Service) -> None:
        """Whatever the time between two pulses, which is 20 seconds."""
        for command in (["true"], ["sleep", "1"]):
            status, _, errors = run(service, *command, options=["--every", "24h", "--grace", "10s"])
            assert (status, errors) == (0, "")
        assert [task["status"] for task in tasks(client)] == ["done", "done", "open"]

    def test_a_run_is_due_when_it_must_have_ended(self, client: httpx.Client, service: Service, tmp_path: Path) -> None:
        """The next one is due when it must have begun."""
        options = ["--every", "10m", "--start-grace", "5m", "--max-runtime", "3h"]
        script = Until(tmp_path)
        process = start(service, *script.command, options=options)
        eventually(lambda: len(tasks(client)) == 2 and due_in(tasks(client)[0]) > timedelta(hours=2, minutes=50))
        running, following = tasks(client)
        assert due_in(running) <= timedelta(hours=3)
        assert timedelta(minutes=10) < due_in(following) <= timedelta(minutes=15)
        script.end()
        process.communicate(timeout=60)

    @pytest.mark.parametrize(
        "options", [["--start-grace", "1s", "--grace", "2h"], ["--start-grace", "1s", "--max-runtime", "2h"]]
    )
    def test_a_start_that_is_missing_is_overdue(
        self, client: httpx.Client, service: Service, options: list[str]
    ) -> None:
        run(service, "true", options=["--every", "1s", *options])
        eventually(lambda: overdue(client))
        run(service, "true", options=["--every", "1h", *options])
        assert overdue(client) == []

    def test_a_run_that_takes_too_long_is_overdue(self, client: httpx.Client, service: Service, tmp_path: Path) -> None:
        script = Until(tmp_path)
        process = start(
            service, *script.command, options=["--every", "1h", "--start-grace", "1h", "--max-runtime", "1s"]
        )
        eventually(lambda: overdue(client))
        assert process.stderr is not None
        assert "takes too long" in process.stderr.readline()
        script.end()
        process.communicate(timeout=60)
        assert overdue(client) == []

    def test_a_start_while_the_run_before_goes_on_is_not_missing(
        self, client: httpx.Client, service: Service, tmp_path: Path
    ) -> None:
        script = Until(tmp_path)
        process = start(
            service, *script.command, options=["--every", "1s", "--start-grace", "1s", "--max-runtime", "1h"]
        )
        eventually(lambda: overdue(client))
        assert run(service, "true")[0] == 75
        assert overdue(client) == []
        script.end()
        process.communicate(timeout=60)

    def test_a_task_that_was_requeued_leaves_the_next_one_in_time(self, client: httpx.Client, service: Service) -> None:
        run(service, "true", options=["--every", "1s", "--grace", "1s"])
        client.post(f"/v1/tasks/{tasks(client)[0]['id']}/requeue")
        run(service, "true")
        assert [task["status"] for task in tasks(client)] == ["done", "open"]
        assert due_in(tasks(client)[1]) > timedelta(hours=25)
        assert overdue(client) == []


class TestCron:
    OPTIONS = ("--cron", "0 3 * * *", "--timezone", "Europe/Berlin", "--start-grace", "30m", "--max-runtime", "2h")

    def test_it_works(self, client: httpx.Client, service: Service) -> None:
        assert run(service, "true", options=self.OPTIONS)[0] == 0
        due_at = datetime.fromisoformat(tasks(client)[1]["due_at"]).astimezone(ZoneInfo("Europe/Berlin"))
        assert due_at.time().isoformat() == "03:30:00"
        assert timedelta() < due_in(tasks(client)[1]) < timedelta(hours=26)

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            (["--cron", "0 3 * *", "--timezone", "UTC", "--grace", "1h"], "'0 3 * *' does not have five fields"),
            (["--cron", "61 3 * * *", "--timezone", "UTC", "--grace", "1h"], "Bad minute"),
            (["--cron", "0 3 * * *", "--timezone", "Mars/Base", "--grace", "1h"], "'Mars/Base' is not a time zone"),
            (["--cron", "0 3 * * *", "--every", "24h", "--grace", "1h"], "either --every or --cron"),
            (["--grace", "1h"], "either --every or --cron"),
            (["--every", "24h", "--timezone", "UTC", "--grace", "1h"], "--timezone is that of --cron"),
            (["--every", "24h", "--start-grace", "1h"], "--max-runtime"),
            (["--every", "24h", "--max-runtime", "1h"], "--start-grace"),
        ],
    )
    def test_wrong_options_are_told(self, service: Service, options: list[str], told: str) -> None:
        status, _, errors = run(service, "true", options=options)
        assert status == 2
        assert told in errors


@pytest.mark.parametrize("minutes", [20, -20, None])
def test_due_times_are_those_of_the_servers_clock(client: httpx.Client, service: Service, minutes: int | None) -> None:
    """None: a proxy leaves the Date out, and the time of this machine counts."""
    ahead = None if minutes is None else timedelta(minutes=minutes)
    by_cron = ["--cron", "* * * * *", "--grace", "1m"]
    earliest = datetime.now(UTC) - timedelta(seconds=2) + (ahead or timedelta())
    with Proxy(service.port, ahead=ahead) as proxy:
        assert run(service, "true", url=proxy.url)[0] == 0
        assert run(service, "true", url=proxy.url, title="by cron", options=by_cron)[0] == 0
    latest = datetime.now(UTC) + timedelta(seconds=2) + (ahead or timedelta())
    following = [datetime.fromisoformat(tasks(client, title)[1]["due_at"]) for title in ("backup", "by cron")]
    assert earliest <= following[0] - timedelta(hours=26) <= latest
    assert earliest + timedelta(minutes=1) < following[1] < latest + timedelta(minutes=2)


def test_sigterm_before_the_script_has_begun(client: httpx.Client, service: Service, tmp_path: Path) -> None:
    planning = Fault("^PATCH ", "hold")
    with Proxy(service.port, [planning]) as proxy:
        process = start(service, "touch", str(tmp_path / "proof"), url=proxy.url)
        eventually(lambda: proxy.count("^PATCH .*hold"))
        process.send_signal(signal.SIGTERM)
        planning.goes_on.set()
        process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert not (tmp_path / "proof").exists()
    assert [task["status"] for task in tasks(client)] == ["failed", "open"]


def test_a_command_that_cannot_be_started_fails_its_task(
    client: httpx.Client, service: Service, tmp_path: Path
) -> None:
    script = tmp_path / "script"
    script.write_text("no interpreter")
    script.chmod(0o755)
    status, _, errors = run(service, str(script), options=DAILY)
    assert status != 0, errors
    assert [task["status"] for task in tasks(client)] == ["failed", "open"]


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

"""The table of faults: signals in each phase, and an API that cannot be reached for longer than a lease lasts."""

import signal
import time
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from app.client.run import label_of
from tests.support.client_process import ClientProcess
from tests.support.faults import rows
from tests.support.leases import new_task, read
from tests.support.proxy import Fault, Proxy, problem
from tests.support.service import Service
from tests.support.waiting import Until, eventually, wait_for_claims

Row = dict[str, Any]
UNTIL_HEALED = 1_000_000
BUSY = problem(503, "overloaded")


class Scene:
    """A command behind a proxy, its task, and a script that lasts until the test ends it."""

    def __init__(self, client: httpx.Client, service: Service, database: psycopg.Connection, folder: Path) -> None:
        self.client = client
        self.service = service
        self.database = database
        self.script = Until(folder)
        self.proxy = Proxy(service.port)
        self.process = ClientProcess(service, folder)
        self.task_id = ""

    def start(self, command: str, *options: str) -> None:
        """Start it; `run` makes its task itself."""
        if command == "work":
            arguments = ["work", "--ttl", "2", *options]
        else:
            arguments = ["run", "--title", "backup", "--every", "24h", "--grace", "2h"]
        self.process.start(*arguments, "--url", self.proxy.url, "--", *self.script.command)

    def find_task(self) -> None:
        """Find the task that `run` made."""

        def today() -> str | None:
            parameters = {"label": label_of("backup"), "sort": "created_at"}
            items = self.client.get("/v1/tasks", params=parameters).json()["items"]
            return items[0]["id"] if items else None

        self.task_id = self.task_id or eventually(today)

    def status(self) -> str:
        """Return the task's status."""
        return str(read(self.client, self.task_id)["status"])

    def leases(self) -> int:
        """Return how many leases there are."""
        return len(self.database.execute("select from leases").fetchall())

    def spoil(self, how: str) -> None:
        """Make the API misbehave towards this command, until `heal`."""
        if how == "away":
            self.proxy.go_away()
        else:
            self.proxy.faults = [Fault("", "hang" if how == "hangs" else "half", times=UNTIL_HEALED)]

    def spoil_in(self, phase: str) -> None:
        """Make the API misbehave as the name of a phase says."""
        for how in ("away", "hangs"):
            if how in phase:
                self.spoil(how)

    def heal(self) -> None:
        """Let the API be as before."""
        self.proxy.away, self.proxy.faults = False, []
        self.proxy.break_off()

    def wait_for_trouble(self, call: str) -> None:
        """Wait until the lease has run out, or, where answers come by halves, until a call has had three."""
        expired = "select from leases where expires_at < clock_timestamp()"
        eventually(lambda: self.database.execute(expired).fetchall() or self.proxy.count(f"{call}: half") > 2)

    def send(self, names: str) -> None:
        """Send signals, each once the one before was understood."""
        first, *more = names.split()
        self.process.send(getattr(signal, f"SIG{first}"))
        for name in more:
            eventually(lambda: any(map(self.process.said, ("draining", "stopping", "ending, because of"))))
            self.process.send(getattr(signal, f"SIG{name}"))


@pytest.fixture
def scene(client: httpx.Client, service: Service, database: psycopg.Connection, tmp_path: Path) -> Any:
    made = Scene(client, service, database, tmp_path)
    with made.proxy, made.process:
        yield made


def assert_outcome(scene: Scene, row: Row) -> None:
    assert scene.process.wait() == row["exit"]
    if "task" in row:
        assert scene.status() == row["task"]
    assert scene.leases() == row.get("left", 0)


def phases(beginning: str) -> list[Any]:
    """Return the rows about `work` whose phase begins so."""
    return [row for row in rows("signals", "work") if row.values[0]["phase"].startswith(beginning)]


@pytest.mark.parametrize("row", phases("waiting"))
def test_signals_to_a_worker_that_waits(scene: Scene, row: Row) -> None:
    scene.spoil_in(row["phase"])
    scene.start("work")
    if scene.proxy.away:
        eventually(lambda: scene.process.said("trying again"))
    elif scene.proxy.faults:
        eventually(lambda: scene.proxy.seen)
    else:
        wait_for_claims(scene.service)
    scene.send(row["send"])
    assert_outcome(scene, row)


@pytest.mark.parametrize("row", phases("claimed"))
def test_a_signal_before_the_answer_to_a_claim(scene: Scene, row: Row) -> None:
    scene.task_id = new_task(scene.client)
    scene.proxy.faults = [Fault("/claim$", "withhold")]
    scene.start("work")
    eventually(lambda: scene.status() == "in_progress")
    scene.send(row["send"])
    assert_outcome(scene, row)


@pytest.mark.parametrize("row", phases("working"))
def test_signals_during_the_work(scene: Scene, row: Row) -> None:
    scene.task_id = new_task(scene.client)
    scene.start("work")
    scene.script.wait_until_begun()
    scene.spoil_in(row["phase"])
    scene.send(row["send"])
    if " " not in row["send"]:
        eventually(lambda: scene.process.said("draining"))
        scene.script.end()
    assert_outcome(scene, row)


@pytest.mark.parametrize("row", phases("reporting"))
def test_signals_while_the_end_is_reported(scene: Scene, row: Row) -> None:
    scene.task_id = new_task(scene.client)
    scene.start("work")
    scene.proxy.faults = [Fault("/complete$", "answer", times=UNTIL_HEALED, answer=BUSY)]
    scene.script.end()
    eventually(lambda: scene.proxy.count("/complete: answer"))
    first, *second = row["send"].split()
    scene.send(first)
    eventually(lambda: scene.process.said("draining"))
    if "comes back" in row["phase"]:
        scene.proxy.faults = []
    if second:
        scene.process.send(signal.SIGTERM)
    assert_outcome(scene, row)


@pytest.mark.parametrize("row", rows("signals", "run"))
def test_signals_to_run(scene: Scene, row: Row) -> None:
    phase = row["phase"]
    if phase == "claimed but the answer is on its way":
        scene.proxy.faults = [Fault("/claim$", "withhold")]
    scene.start("run")
    scene.find_task()
    eventually(lambda: scene.status() == "in_progress")
    if not phase.startswith("claimed"):
        scene.script.wait_until_begun()
    if phase == "reporting to an API that is away":
        scene.proxy.go_away()
        scene.script.end()
        eventually(lambda: scene.process.said("trying again"))
        scene.send(row["send"])
    elif phase == "working while the API is away":
        scene.proxy.go_away()
        scene.send(row["send"])
        eventually(lambda: scene.process.said("trying again"))
        scene.proxy.away = False
    else:
        scene.send(row["send"])
    assert_outcome(scene, row)


@pytest.mark.parametrize("row", rows("signals", "watch"))
def test_signals_to_watch(scene: Scene, row: Row) -> None:
    scene.proxy.away = row["phase"] == "the API is away"
    new_task(scene.client)
    scene.process.start("watch", "--url", scene.proxy.url, "--after", "0")
    eventually(lambda: scene.process.said("trying again") if scene.proxy.away else scene.process.lines())
    scene.send(row["send"])
    assert_outcome(scene, row)


@pytest.mark.parametrize(
    ("arguments", "ready"), [(["work", "--", "true"], "waiting for tasks"), (["watch", "--after", "0"], "")]
)
def test_signals_that_come_again_and_again_do_not_change_the_exit_status(
    client: httpx.Client, service: Service, tmp_path: Path, arguments: list[str], ready: str
) -> None:
    """They also come when the process has nothing left to do but to end."""
    with ClientProcess(service, tmp_path) as process:
        if not ready:
            new_task(client)
        process.start(*arguments)
        eventually(lambda: process.said(ready) if ready else process.lines())
        assert process.process
        while process.process.poll() is None:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                process.send(number)
            time.sleep(0.001)
        assert process.wait() == 0


def moments(when: str) -> list[Any]:
    """Return the rows about an API that cannot be reached at this moment."""
    return [row for row in rows("api", "work") if row.values[0]["when"] == when]


@pytest.mark.parametrize("row", moments("before"))
def test_an_api_that_cannot_be_reached_before_the_claim(scene: Scene, row: Row) -> None:
    scene.task_id = new_task(scene.client)
    scene.spoil(row["api"])
    scene.start("work")
    eventually(lambda: scene.proxy.seen or scene.process.said("trying again"))
    scene.heal()
    scene.script.end()
    eventually(lambda: scene.status() == row["task"])
    scene.process.send(signal.SIGTERM)
    assert_outcome(scene, row)


@pytest.mark.parametrize("row", moments("during"))
def test_an_api_that_cannot_be_reached_during_the_work(scene: Scene, row: Row) -> None:
    scene.task_id = new_task(scene.client)
    expiry = row.get("expiry", "continue")
    scene.start("work", "--on-expiry", expiry)
    scene.script.wait_until_begun()
    scene.spoil(row["api"])
    scene.wait_for_trouble("pulse")
    if expiry == "stop":
        eventually(lambda: scene.process.said("killed by SIGTERM"))
    else:
        scene.script.end()
        eventually(lambda: scene.process.said("exit status 0"))
    scene.process.send(signal.SIGTERM)
    scene.heal()
    assert_outcome(scene, row)


@pytest.mark.parametrize("row", moments("end"))
def test_an_api_that_cannot_be_reached_at_the_end(scene: Scene, row: Row) -> None:
    scene.task_id = new_task(scene.client)
    scene.start("work")
    scene.script.wait_until_begun()
    scene.spoil(row["api"])
    scene.script.end()
    eventually(lambda: scene.process.said("exit status 0"))
    scene.wait_for_trouble("complete")
    scene.heal()
    eventually(lambda: scene.status() == row["task"])
    scene.process.send(signal.SIGTERM)
    assert_outcome(scene, row)

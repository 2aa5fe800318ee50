"""The table of faults: a standard stream that is closed, full, blocked, or loses its reader."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from app.client.run import label_of
from tests.support.faults import rows
from tests.support.leases import new_task, read
from tests.support.service import TASKPULSE, Service
from tests.support.streams import Stream, start
from tests.support.waiting import Until, eventually

Row = dict[str, Any]
MUCH = 3_000_000
"""Bytes: more than all buffers hold."""
FEW = 10


class Scene:
    """A command with one stream that misbehaves, at a moment of the row's."""

    def __init__(self, row: Row, service: Service, folder: Path) -> None:
        self._row = row
        self._environment = {**os.environ, "TASKPULSE_KEY": service.key, "TASKPULSE_URL": service.url}
        self.streams = [Stream(row["is"] if number == row["stream"] else "fine", folder, number) for number in (1, 2)]
        self.bad = self.streams[row["stream"] - 1]
        self.other = self.streams[2 - row["stream"]]
        self.begin, self.end = Until(folder / "begin"), Until(folder / "end")
        size = FEW if row["when"] == "end" else MUCH
        output = f"head -c {size} /dev/zero | tr '\\0' x"
        waits = [" ".join(until.command) for until in (self.begin, self.end)]
        self.script = ["sh", "-c", f"{waits[0]}; {output}; {output} >&2; {waits[1]}"]

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start the command."""
        if self._row["when"] == "before":
            self.bad.spoil()
        output, errors = self.streams
        self.process = start([TASKPULSE, *arguments], output, errors, self._environment)
        return self.process

    def reach(self, moment: str) -> None:
        """Let the stream misbehave if this is the row's moment."""
        if self._row["when"] == moment:
            self.bad.spoil(self.process)

    def has_written(self) -> bool:
        """Return whether the command has begun to write: a thread of its own does that."""
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir())) > 1

    def assert_end(self, status: int) -> None:
        """Check exit status and what was said."""
        try:
            assert self.process.wait(60) == status == self._row["exit"], self.other.text
            eventually(lambda: self._row.get("said", "") in self.other.text)
        finally:
            self.process.kill()
            self.bad.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("begin", "end"):
        (tmp_path / name).mkdir()
    return tmp_path


def leases(database: psycopg.Connection) -> int:
    """Return how many there are."""
    return len(database.execute("select from leases").fetchall())


def assert_pulses(database: psycopg.Connection, task_id: str) -> None:
    """Wait for two pulses from now on."""
    seen = set[Any]()

    def pulsed_twice() -> bool:
        seen.add(database.execute("select expires_at from leases where task_id = %s", [task_id]).fetchone())
        return len(seen) > 2

    eventually(pulsed_twice)
    assert None not in seen


@pytest.mark.parametrize("row", rows("streams", "work"))
def test_work(client: httpx.Client, service: Service, database: psycopg.Connection, folder: Path, row: Row) -> None:
    task_id = new_task(client, max_attempts=1)
    scene = Scene(row, service, folder)
    process = scene.start("work", "--ttl", "3", "--", *scene.script)
    try:
        eventually(lambda: read(client, task_id)["status"] == "in_progress")
        scene.reach("during")
        scene.begin.end()
        if row["when"] != "end":
            scene.end.wait_until_begun()
            assert_pulses(database, task_id)
        scene.end.end()
        eventually(lambda: read(client, task_id)["finished_at"])
        scene.reach("end")
        process.send_signal(signal.SIGTERM)
    finally:
        scene.assert_end(row["exit"])
    assert (read(client, task_id)["status"], leases(database)) == (row["task"], row["left"])


@pytest.mark.parametrize("row", rows("streams", "run"))
def test_run(client: httpx.Client, service: Service, database: psycopg.Connection, folder: Path, row: Row) -> None:
    scene = Scene(row, service, folder)
    scene.start("run", "--title", "backup", "--every", "24h", "--grace", "2h", "--", *scene.script)
    try:
        scene.begin.wait_until_begun()
        scene.reach("during")
        scene.begin.end()
        scene.end.end()
    finally:
        scene.assert_end(row["exit"])
    today = client.get("/v1/tasks", params={"label": label_of("backup"), "sort": "created_at"}).json()["items"][0]
    assert (today["status"], leases(database)) == (row["task"], row["left"])


@pytest.mark.parametrize("row", rows("streams", "watch"))
def test_watch(client: httpx.Client, service: Service, folder: Path, row: Row) -> None:
    """A reader that gets nothing does not keep the end from coming; one that has gone, or a full disk, is the end."""
    new_task(client)
    scene = Scene(row, service, folder)
    process = scene.start("watch", "--after", "0", "--output", "json")
    ends_by_itself = row["stream"] == 1 and row["is"] != "blocked"
    try:
        if row["when"] == "during":
            eventually(scene.has_written)
            scene.reach("during")
            new_task(client)
        if row["stream"] == 2:
            eventually(lambda: "created" in scene.other.text)
        elif not ends_by_itself:
            eventually(scene.has_written)
        if not ends_by_itself:
            process.send_signal(signal.SIGTERM)
    finally:
        scene.assert_end(row["exit"])

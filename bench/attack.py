"""Attack the service row by row (docs/limits.md), and print what an honest client and the process noticed of it.

`make attack` runs it; each row is the real service, started with its defaults on TASKS open tasks. From the
environment: TASKS, SECONDS of each row, and ONLY, parts of rows' names separated by commas. The load goes to loopback
alone and ends by itself.
"""

import contextlib
import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from app.dev.postgres import EmbeddedPostgres
from app.keys import admin as keys
from app.settings import Settings
from bench.attacks import ATTACKS
from bench.dataset import OPTIONS
from bench.operations import wanted
from bench.servers import ROOT, end_on_sigterm
from tests.support.service import conninfo, fresh_database
from tests.support.watching import WatchedService

TASKS = int(os.environ.get("TASKS", "200000"))
SECONDS = float(os.environ.get("SECONDS", "20"))
ONLY = os.environ.get("ONLY", "")
IDLE_S = 3.0
EVERY_S = 0.05
ALL = "all at once"
NICER = 10
"""How much less of this machine's processors an attacker gets: an attacker elsewhere would have his own."""
HEADINGS = "| row | VmHWM, MiB | honest p50 idle, ms | attacked | times | not 200 | longest callback, ms | seen |"


class HonestClient:
    """Reads one task every EVERY_S on a kept connection, with a key of its own and from a thread of its own."""

    def __init__(self, service: WatchedService, key: str, task: str) -> None:
        self._service = service
        self._headers = {"Authorization": f"Bearer {key}"}
        self._path = f"/v1/tasks/{task}"
        self.times_ms: list[float] = []
        self.failed = 0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Read until the context is left."""
        ended = threading.Event()
        thread = threading.Thread(target=self._read, args=(ended,))
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _read(self, ended: threading.Event) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._service.port, timeout=30)
        while not ended.wait(EVERY_S):
            started = time.monotonic()
            try:
                connection.request("GET", self._path, headers=self._headers)
                answer = connection.getresponse()
                answer.read()
                self.failed += answer.status != 200
            except (OSError, http.client.HTTPException):
                self.failed += 1
                connection.close()
            self.times_ms.append((time.monotonic() - started) * 1000)


def fill(settings: Settings, conninfo: str) -> str:
    """Make the tasks, 400 of them as large as a task can be; return the id of a small one."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(
            "insert into tasks (title, description, labels) select 'task ' || n, 'word' || n %% 997, '{}'"
            " from generate_series(1, %s) n",
            [TASKS],
        )
        connection.execute(
            "insert into tasks (title, description, labels, payload)"
            " select 'large', repeat('word ', 2000), '{large}', jsonb_build_object('a', repeat('x', 16300))"
            " from generate_series(1, 400)"
        )
        connection.execute("vacuum analyze")
        [(task,)] = connection.execute("select id from tasks where title = 'task 1'").fetchall()
    return str(task)


def row(name: str, settings: Settings, folder: Path, task: str) -> str:
    """Run one attack against a new process, and return its line of the table."""
    attacks = ",".join(ATTACKS) if name == ALL else name
    with WatchedService(settings, folder, name.replace(" ", "-")) as service:
        key = keys.create(settings, "honest", ("read",), None)
        idle, attacked = HonestClient(service, key, task), HonestClient(service, key, task)
        with idle.running():
            time.sleep(IDLE_S)
        service.begin()
        attack = [sys.executable, "-m", "bench.attacks", attacks, str(service.port), service.key, str(SECONDS)]
        command = ["nice", "-n", str(NICER), *attack]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as attacker, attacked.running():
            try:
                saw, _ = attacker.communicate(timeout=SECONDS + 60)
            finally:
                attacker.kill()
        before, after = statistics.median(idle.times_ms), statistics.median(attacked.times_ms)
        cells = [
            name.replace("_", " "),
            f"{service.peak_mib():.0f}",
            f"{before:.1f}",
            f"{after:.1f}",
            f"{after / before:.1f}",
            f"{attacked.failed} of {len(attacked.times_ms)}",
            f"{service.longest_ms():.0f}",
            saw.strip(),
        ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    end_on_sigterm()
    names = [name for name in (*ATTACKS, ALL) if wanted(name, ONLY.split(","))]
    print(HEADINGS, "| --- " * HEADINGS.count(" | ") + "| --- |", sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as name, EmbeddedPostgres(Path(name) / "postgres", OPTIONS) as postgres:
        settings = fresh_database(postgres)
        task = fill(settings, conninfo(settings))
        for attack in names:
            print(row(attack, settings, Path(name), task), flush=True)


if __name__ == "__main__":
    main()

"""Random faults around workers: no task is done twice whose first worker lived and was connected, no lease is left.

By hand, with other seeds in each: FAULT_RUNS=500 .venv/bin/pytest -n 0 -s tests/app/client/test_fault_property.py
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.support.answers import NO_VERDICTS, no_verdict
from tests.support.leases import Json, new_task
from tests.support.proxy import Fault, Proxy
from tests.support.service import TASKPULSE, Service
from tests.support.streams import State, Stream, start
from tests.support.waiting import eventually

RUNS = int(os.environ.get("FAULT_RUNS", "3"))
AT_ONCE = 8
TTL_S = 10
STATES: list[State] = ["fine", "fine", "closed", "full", "blocked", "gone"]
FINE: list[tuple[State, bool]] = [("fine", False)] * 2
SIGNALS = [["TERM"], ["TERM"], ["INT", "TERM"], ["TERM", "TERM"], ["KILL"]]
SCRIPT = r"""
import json, os, random, resource, sys, time
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)  # a full disk is for the worker alone
(journal,) = sys.argv[1:]
task = json.load(sys.stdin)
def write(word):
    descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{task['id']} {task['fence']} {os.environ['WORKER']} {word}\n".encode())
    os.close(descriptor)
write("begun")
print("x" * random.choice([10, 300_000]), flush=True)
print("y" * random.choice([10, 300_000]), file=sys.stderr, flush=True)
time.sleep(random.choice([0, 0.1, 0.5, 4]))
write("ended")
"""


@dataclass(frozen=True)
class Plan:
    """What happens to a worker."""

    name: str
    faults: list[Fault]
    streams: list[tuple[State, bool]]
    """Of output and errors; whether from the start, or at the moment of the first signal."""
    signals: list[str]
    after_s: float
    between_s: float

    @classmethod
    def make(cls, name: str, chance: random.Random) -> "Plan":
        """Return a plan made by chance."""
        calls = ["/claim$", "/complete$", "/complete$", "/pulse$", "/release$"]
        return cls(
            name,
            [_fault(path, chance) for path in chance.sample(calls, chance.randint(0, 5))],
            [(chance.choice(STATES), chance.random() < 0.5) for _ in range(2)],
            chance.choice(SIGNALS),
            chance.uniform(0.5, 5),
            chance.uniform(0, 0.5),
        )


def _fault(path: str, chance: random.Random) -> Fault:
    if path == "/pulse$" and chance.random() < 0.2:
        return Fault(path, "hang")
    if chance.random() < 0.2:
        return Fault(path, "slow", delay_s=chance.uniform(0, 1))
    return no_verdict(chance.choice(sorted(NO_VERDICTS)), path)


class Run:
    """Two workers, each behind a proxy of its own with faults of its own, that share a few tasks."""

    def __init__(self, seed: int, service: Service, folder: Path) -> None:
        self._service = service
        self._folder = folder
        self._label = f"run-{seed}"
        self._journal = folder / "journal"
        self._killed = set[str]()
        self._hurried = set[str]()
        chance = random.Random(seed)
        self._plans = [Plan.make(f"{self._label}-{name}", chance) for name in "ab"]

    def play(self) -> None:
        """Let it happen.

        Raises AssertionError where the claim does not hold.
        """
        headers = {"Authorization": f"Bearer {self._service.key}"}
        with (
            httpx.Client(base_url=self._service.url, headers=headers, timeout=60) as client,
            psycopg.connect(self._service.conninfo, autocommit=True) as database,
        ):
            tasks = [new_task(client, labels=[self._label], max_attempts=20) for _ in range(3)]
            with ThreadPoolExecutor() as workers:
                list(workers.map(self._work, self._plans))
            leases = database.execute("select worker from leases where task_id = any(%s::uuid[])", [tasks]).fetchall()
            assert {worker for (worker,) in leases} <= self._killed, self._told("a lease is left", leases)
            with self._process("rest", self._service.url, FINE) as (rest, (_, errors)):
                finished = "select count(*) from tasks where id = any(%s::uuid[]) and status = 'done'"
                eventually(lambda: database.execute(finished, [tasks]).fetchone() == (len(tasks),))
                eventually(lambda: "waiting for tasks" in errors.text)
                rest.send_signal(signal.SIGTERM)
                assert rest.wait(60) == 0
            assert not database.execute("select from leases where task_id = any(%s::uuid[])", [tasks]).fetchall()
            for task in tasks:
                self._check_journal(task, client.get(f"/v1/tasks/{task}/history").json()["items"])

    def _check_journal(self, task: str, history: list[Json]) -> None:
        """Check that only one command did the work, but for those that were killed.

        That may be after the last line of the script: the task is then given back, on the second signal.
        """
        lines = [line.split() for line in self._journal.read_text().splitlines()]
        given_back = {event["after"]["worker"] for event in history if event["action"] == "released"} & self._hurried
        ended = [worker for task_id, _, worker, word in lines if task_id == task and word == "ended"]
        alive = set(ended[:-1]) - self._killed - given_back
        assert ended, self._told("never done", task)
        assert not alive, self._told("done twice", [line for line in lines if line[0] == task])

    def _work(self, plan: Plan) -> None:
        """Run one worker until a signal ends it."""
        if "KILL" in plan.signals:
            self._killed.add(plan.name)
        if len(plan.signals) > 1:
            self._hurried.add(plan.name)
        with (
            Proxy(self._service.port, plan.faults) as proxy,
            self._process(plan.name, proxy.url, plan.streams) as (process, streams),
        ):
            eventually(lambda: proxy.seen)
            time.sleep(plan.after_s)  # the random moment of this run; nothing is asserted about it
            for stream in streams:
                if not stream.spoiled:
                    stream.spoil(process)
            for each in plan.signals:
                process.send_signal(getattr(signal, f"SIG{each}"))
                time.sleep(plan.between_s)
            status = process.wait(120)
            killed = "KILL" in plan.signals
            assert status == (-signal.SIGKILL if killed else 0), self._told(f"{plan.name} ended", status)

    @contextlib.contextmanager
    def _process(
        self, name: str, url: str, states: Sequence[tuple[State, bool]]
    ) -> Iterator[tuple[subprocess.Popen[bytes], Sequence[Stream]]]:
        folder = self._folder / name
        folder.mkdir()
        output, errors = (Stream(state, folder, number) for (state, _), number in zip(states, (1, 2), strict=True))
        for stream, (_, at_once) in zip((output, errors), states, strict=True):
            if at_once:
                stream.spoil()
        command = [TASKPULSE, "work", "--url", url, "--worker", name, "--label", self._label, "--ttl", str(TTL_S)]
        script = [sys.executable, "-c", SCRIPT, str(self._journal)]
        environment = {**os.environ, "TASKPULSE_KEY": self._service.key, "WORKER": name}
        process = start([*command, "--", *script], output, errors, environment)
        try:
            yield process, (output, errors)
        finally:
            process.kill()
            process.wait()
            output.close()
            errors.close()

    def _told(self, *what: object) -> str:
        return "\n".join(map(str, [self._label, *what, *self._plans]))


@pytest.mark.slow
def test_random_faults(client: httpx.Client, service: Service, tmp_path: Path) -> None:
    del client  # it empties the database
    first = int(os.environ.get("FAULT_SEED", str(time.time_ns() // 1000 % 1_000_000_000)))

    def play(seed: int) -> None:
        folder = tmp_path / str(seed)
        folder.mkdir()
        Run(seed, service, folder).play()

    with ThreadPoolExecutor(AT_ONCE) as runs:
        for done, _ in enumerate(runs.map(play, range(first, first + RUNS)), start=1):
            if done % 25 == 0:
                print(f"{done} of {RUNS} runs, from seed {first}", flush=True)

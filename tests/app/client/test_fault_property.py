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
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.support.answers import NO_VERDICTS, no_verdict
from tests.support.leases import new_task
from tests.support.proxy import Fault, Proxy
from tests.support.service import TASKPULSE, Service
from tests.support.streams import State, Stream, start
from tests.support.waiting import eventually

RUNS = int(os.environ.get("FAULT_RUNS", "3"))
AT_ONCE = 4
TTL_S = 10
STATES: list[State] = ["fine", "fine", "closed", "full", "blocked", "gone"]
SIGNALS = [["TERM"], ["TERM"], ["INT", "TERM"], ["TERM", "TERM"], ["KILL"]]
SCRIPT = r"""
import json, os, pathlib, random, signal, sys, time
journal, seed = sys.argv[1:]
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


class Run:
    """Two workers, each behind a proxy of its own with faults of its own, that share a few tasks."""

    def __init__(self, seed: int, service: Service, folder: Path) -> None:
        self._random = random.Random(seed)
        self._service = service
        self._folder = folder
        self._label = f"run-{seed}"
        self._journal = folder / "journal"
        self._killed = set[str]()
        self.story: list[str] = [f"seed {seed}"]

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
                list(workers.map(self._work, [f"{self._label}-{name}" for name in "ab"]))
            leases = database.execute("select worker from leases where task_id = any(%s::uuid[])", [tasks]).fetchall()
            assert {worker for (worker,) in leases} <= self._killed, self._told("a lease is left", leases)
            with self._process("rest", self._service.url, "fine", "fine") as (rest, (_, errors)):
                finished = "select count(*) from tasks where id = any(%s::uuid[]) and status = 'done'"
                eventually(lambda: database.execute(finished, [tasks]).fetchone() == (len(tasks),))
                eventually(lambda: "waiting for tasks" in errors.text)
                rest.send_signal(signal.SIGTERM)
                assert rest.wait(60) == 0
            assert not database.execute("select from leases where task_id = any(%s::uuid[])", [tasks]).fetchall()
        self._check_journal(tasks)

    def _check_journal(self, tasks: list[str]) -> None:
        lines = [line.split() for line in self._journal.read_text().splitlines()]
        for task in tasks:
            ended = [worker for task_id, _, worker, word in lines if task_id == task and word == "ended"]
            alive = [worker for worker in ended[:-1] if worker not in self._killed]
            assert ended, self._told("never done", task)
            assert not alive, self._told("done twice", [line for line in lines if line[0] == task])

    def _work(self, name: str) -> None:
        """Run one worker until a signal ends it."""
        calls = ["/claim$", "/complete$", "/complete$", "/pulse$", "/release$"]
        faults = [self._fault(path) for path in self._random.sample(calls, self._random.randint(0, 5))]
        output, errors = (self._random.choice(STATES) for _ in range(2))
        signals = self._random.choice(SIGNALS)
        after_s = self._random.uniform(0.5, 5)
        self.story.append(f"{name}: output {output}, errors {errors}, {signals} after {after_s:.1f} s, {faults}")
        if "KILL" in signals:
            self._killed.add(name)
        with (
            Proxy(self._service.port, faults) as proxy,
            self._process(name, proxy.url, output, errors) as (process, streams),
        ):
            eventually(lambda: proxy.seen)
            time.sleep(after_s)  # the random moment of this run; nothing is asserted about it
            for stream in streams:
                if not stream.spoiled:
                    stream.spoil(process)
            for each in signals:
                process.send_signal(getattr(signal, f"SIG{each}"))
                time.sleep(self._random.uniform(0, 0.5))
            status = process.wait(120)
            assert status == (-signal.SIGKILL if "KILL" in signals else 0), self._told(f"{name} ended", status)

    def _fault(self, path: str) -> Fault:
        if path == "/pulse$" and self._random.random() < 0.2:
            return Fault(path, "hang")
        if self._random.random() < 0.2:
            return Fault(path, "slow", delay_s=self._random.uniform(0, 1))
        return no_verdict(self._random.choice(sorted(NO_VERDICTS)), path)

    @contextlib.contextmanager
    def _process(
        self, name: str, url: str, *states: State
    ) -> Iterator[tuple[subprocess.Popen[bytes], Sequence[Stream]]]:
        folder = self._folder / name
        folder.mkdir()
        output, errors = (Stream(state, folder, number) for state, number in zip(states, (1, 2), strict=True))
        for stream in (output, errors):
            if self._random.random() < 0.5:
                stream.spoil()
        command = [TASKPULSE, "work", "--url", url, "--worker", name, "--label", self._label, "--ttl", str(TTL_S)]
        script = [sys.executable, "-c", SCRIPT, str(self._journal), name]
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
        return "\n".join(map(str, [*what, *self.story]))


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
            if done % 50 == 0:
                print(f"{done} of {RUNS} runs, from seed {first}", flush=True)

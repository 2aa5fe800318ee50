"""A benchmark that a shell started in the background ends its servers, which then ignore SIGINT as it does."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from app.settings import Settings
from bench import servers
from bench.servers import Contestant, Server


@contextmanager
def ignored(number: signal.Signals) -> Iterator[None]:
    """Let processes that are started now ignore a signal."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_ends_that_ignores(number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "STOP_S", 0.1)
    with ignored(number):
        server = Server(Contestant("sleeper", ("sleep", "600")), Settings(), tmp_path / "log")
    try:
        stopping = Thread(target=server.stop, daemon=True)
        stopping.start()
        stopping.join(30)
        assert server.process.poll() is not None
    finally:
        server.process.kill()


@pytest.mark.slow
def test_a_run_that_is_ended_keeps_what_it_measured_and_leaves_no_process(root: Path, tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    options = {"SERVERS": "TaskPulse", "ONLY": "empty", "ROUNDS": "1000", "SECONDS": "0.2", "RESULTS": str(results)}
    with (tmp_path / "log").open("wb") as log, ignored(signal.SIGINT):
        command = [sys.executable, "-m", "bench.run"]
        process = subprocess.Popen(command, cwd=root, env=os.environ | options, stdout=log, stderr=log)
    try:
        while not results.exists():
            assert process.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.05)
        started = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
    finally:
        process.kill()
    assert len(started) >= 2, "PostgreSQL and the server"
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]
    [row] = json.loads(results.read_text())["figures"]["empty route"]["closed"].values()
    assert row["rate"]
    assert list(tmp_path.glob("results*")) == [results]

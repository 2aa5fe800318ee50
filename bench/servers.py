"""The servers that are compared: each one process, all on the same core, with ten connections to one database."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx

from app.settings import Settings
from tests.support.service import environment, free_port

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / ".tools" / "bench"
POOL = 10
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = str(CORES[0])
"""The core of whichever server is measured; PostgreSQL and the load generator have the others."""
OTHER_CORES = ",".join(map(str, CORES[1:]))
STOP_S = 10
"""Seconds that a server has to end after SIGTERM; TaskPulse drains for two."""
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Contestant:
    """A server, and how to start it."""

    name: str
    command: tuple[str, ...]
    folder: Path = ROOT
    scheme: str = ""
    """Of the database's address, where the server takes one."""
    packages: bool = False
    """Whether it is made of the benchmark's Python packages."""


OURS = "TaskPulse"
_UVICORN = (sys.executable, "-m", "uvicorn", "main:app", "--loop", "uvloop", "--http", "httptools", "--no-access-log")
_PEERS = ROOT / "bench" / "peers"

CONTESTANTS = (
    Contestant(OURS, (str(Path(sys.executable).with_name("taskpulse")), "serve")),
    Contestant(
        "FastAPI + SQLAlchemy + asyncpg", _UVICORN, _PEERS / "fastapi_sqlalchemy", "postgresql+asyncpg", packages=True
    ),
    Contestant(
        "Litestar + advanced-alchemy", _UVICORN, _PEERS / "litestar_alchemy", "postgresql+asyncpg", packages=True
    ),
    Contestant("Go net/http + pgx", (str(TOOLS / "bin" / "go_pgx"),), scheme="postgresql"),
)


def end_on_sigterm() -> None:
    """Let SIGTERM end this process as an exception does, so that it ends the processes that it has started."""

    def end(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one would interrupt that
        sys.exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)


class Server:
    """A contestant that runs; a context manager that stops it."""

    def __init__(self, contestant: Contestant, settings: Settings, log: Path) -> None:
        self.name = contestant.name
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        variables = environment(settings, HOST="127.0.0.1", PORT=str(port), DB_POOL_SIZE=str(POOL))
        variables["DATABASE"] = f"{contestant.scheme}://{settings.db_user}@/{settings.db_name}?host={settings.db_host}"
        variables["GOMAXPROCS"] = "1"
        if contestant.packages:
            variables["PYTHONPATH"] = f"{TOOLS}:{_PEERS}"
        command = [*contestant.command]
        if "uvicorn" in command:
            command += ["--port", str(port)]
        with log.open("wb") as out:
            self.started = time.monotonic()
            self.process = subprocess.Popen(
                ["taskset", "-c", SERVER_CORE, *command], cwd=contestant.folder, env=variables, stdout=out, stderr=out
            )
        self.log = log

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process, by force when SIGTERM does not end it within STOP_S."""
        # not SIGINT: a process that a shell started in the background ignores it
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the process at once."""
        self.process.kill()
        self.process.wait()

    def wait(self, path: str, headers: dict[str, str]) -> float:
        """Return the seconds from the start until `path` answers 200.

        Raises RuntimeError, with the end of its log, when that takes longer than a minute.
        """
        while (passed := time.monotonic() - self.started) < 60 and self.process.poll() is None:
            try:
                if httpx.get(self.url + path, headers=headers).status_code == 200:
                    return passed
            except httpx.TransportError:
                pass
            time.sleep(0.01)
        lines = self.log.read_text().splitlines()[-10:]
        raise RuntimeError("\n".join([f"{self.name} did not start:", *lines]))

    def cpu_s(self) -> float:
        """Return the processor time that the server has used."""
        return cpu_s(self.process.pid)

    def memory_mib(self) -> float:
        """Return the resident memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu_s(pid: int) -> float:
    """Return the processor time of a process, to the nanosecond; /proc has hundredths of a second.

    Raises OSError where there is no such process.
    """
    return time.clock_gettime((~pid << 3) | 2)  # the clock that clock_getcpuclockid(3) names


def family_cpu_s(pid: int) -> float:
    """Return the processor time of a process, its children, and its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    total = sum(map(int, fields[11:15])) / TICKS
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for child in children:
        with contextlib.suppress(OSError):
            total += cpu_s(int(child))
    return total

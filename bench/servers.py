"""The servers that are compared: each one process on a core of its own, with ten connections to one database."""

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
        self.process.send_signal(signal.SIGINT)
        self.process.wait()

    def wait(self, path: str, headers: dict[str, str]) -> float:
        """Return the seconds from the start until `path` answers 200.

        Raises RuntimeError, with the server's log, when that takes longer than a minute.
        """
        while (passed := time.monotonic() - self.started) < 60 and self.process.poll() is None:
            try:
                if httpx.get(self.url + path, headers=headers).status_code == 200:
                    return passed
            except httpx.TransportError:
                pass
            time.sleep(0.01)
        raise RuntimeError(f"{self.name} did not start: {self.log.read_text()}")

    def cpu_s(self) -> float:
        """Return the processor time that the server has used."""
        return cpu_s(self.process.pid)

    def memory_mib(self) -> float:
        """Return the resident memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu_s(pid: int) -> float:
    """Return the processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def family_cpu_s(pid: int) -> float:
    """Return the processor time of a process, its children, and its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    total = sum(map(int, fields[11:15])) / TICKS
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for child in children:
        with contextlib.suppress(FileNotFoundError):
            total += cpu_s(int(child))
    return total

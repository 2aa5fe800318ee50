"""Runs the real service for tests."""

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Self

import httpx
import psycopg
from msgspec.structs import replace

from app.dev.postgres import NAME, SERVICE, EmbeddedPostgres
from app.keys import admin as keys
from app.postgres import migrate
from app.settings import Settings

START_TIMEOUT_S = 180
TASKPULSE = str(Path(sys.executable).with_name("taskpulse"))
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For httpx, which otherwise loads every certificate authority for each client: 30 ms of the processor."""

_numbers = count(1)


def fresh_database(postgres: EmbeddedPostgres, *, migrated: bool = True) -> Settings:
    """Make a database of its own on the server and return the settings with which the service serves it."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(host=postgres.host, dbname=NAME, user=NAME, autocommit=True) as connection:
        connection.execute(f"create database {name}".encode())
    settings = Settings(db_host=postgres.host, db_name=name, db_user=SERVICE, db_sslmode="disable")
    if migrated:
        migrate.migrate(owner(settings), lambda _: None)
    return settings


def owner(settings: Settings) -> Settings:
    """Return the settings with which the database of these is migrated."""
    return replace(settings, db_user=NAME, db_service_user=settings.db_user)


def conninfo(settings: Settings) -> str:
    """Return how the owner of the tables connects, who may do anything."""
    return f"host={settings.db_host} dbname={settings.db_name} user={NAME}"


def empty(database: psycopg.Connection) -> None:
    """Delete all tasks and what belongs to them, however the service locks the tables at that moment."""
    while True:
        with contextlib.suppress(psycopg.errors.DeadlockDetected):
            database.execute("truncate leases, tasks, history, idempotency_keys, queues")
            return


def free_port() -> int:
    """Return a port of loopback that nothing uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(settings: Settings, **more: str) -> dict[str, str]:
    """Return the environment in which the commands find this database."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("DB_")},
        "DB_HOST": settings.db_host,
        "DB_NAME": settings.db_name,
        "DB_USER": settings.db_user,
        "DB_SERVICE_USER": settings.db_service_user,
        "DB_SSLMODE": settings.db_sslmode,
        **more,
    }


class Service:
    """`taskpulse serve` in a process of its own; a context manager that starts and stops it."""

    def __init__(
        self,
        settings: Settings,
        log: Path,
        options: Mapping[str, str] | None = None,
        command: Sequence[str] = (TASKPULSE, "serve"),
    ) -> None:
        self.settings = settings
        self._command = command
        self.log = log
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.conninfo = conninfo(settings)
        self.key = keys.create(settings, "tests", ("read", "write", "work", "metrics"), None)
        self._options = dict(options or {})
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(signal.SIGINT)

    def start(self, *, wait: bool = True) -> None:
        """Start the process and wait until it is ready."""
        variables = environment(
            self.settings, HOST="127.0.0.1", PORT=str(self.port), METRICS_TOKEN="scrape-me", **self._options
        )
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self._command, env=variables, stdout=log, stderr=log)
        if wait:
            self.wait_until_ready()

    def listens(self) -> bool:
        """Say whether its port is open."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def wait_until_ready(self) -> None:
        """Return once /health/ready answers 200; fail with the log when that takes too long."""
        deadline = time.monotonic() + START_TIMEOUT_S
        with httpx.Client(base_url=self.url, verify=NO_TLS) as client:
            while time.monotonic() < deadline:
                try:
                    if client.get("/health/ready").status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                time.sleep(0.02)
        raise AssertionError(f"the service did not get ready:\n{self.log.read_text()}")

    def metric(self, name: str, **labels: str) -> float | None:
        """Return the sum of the samples on /metrics that have this name and these labels; None where there is none."""
        headers = {"Authorization": "Bearer scrape-me"}
        text = httpx.get(f"{self.url}/metrics", headers=headers, timeout=60, verify=NO_TLS).text
        lines = [line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        values = [float(line.rpartition(" ")[2]) for line in lines if all(part in line for part in wanted)]
        return sum(values) if values else None

    def peak_mib(self) -> float:
        """Return the largest resident memory that the process has had (VmHWM), in MiB."""
        assert self.process is not None
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end and return the exit status."""
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(timeout=40)

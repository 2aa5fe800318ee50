"""Waits for conditions, never for time."""

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg

from app.dev.postgres import EmbeddedPostgres
from tests.support.service import Service

IN_FLIGHT_BYTES = 2**17
"""More than this is in no buffer of a connection whose reader keeps up."""


def eventually(check: Callable[[], Any], within_s: float = 120) -> Any:
    """Return what `check` returns once that is true; only a test that fails takes `within_s` seconds."""
    deadline, pause_s = time.monotonic() + within_s, 0.01
    while not (result := check()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.2)
    return result


class Until:
    """A command that goes on until the test lets it end; from then on it ends at once."""

    def __init__(self, folder: Path) -> None:
        self._fifo = folder / "end"
        os.mkfifo(self._fifo)
        self._writers = list[int]()
        self.command = ["cat", str(self._fifo)]

    def end(self) -> None:
        """Let it end, as soon as it has begun."""
        self.wait_until_begun()
        os.close(self._writers.pop())
        self._fifo.unlink()
        self._fifo.touch()

    def wait_until_begun(self) -> None:
        """Return once it has begun; it goes on until `end`."""
        eventually(self._open)

    def _open(self) -> bool:
        try:
            if not self._writers:
                self._writers.append(os.open(self._fifo, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:  # nobody reads yet
            return False
        return True


def wait_for_claims(service: Service, count: int = 1) -> None:
    """Return once so many calls of POST /v1/tasks/claim are in progress."""
    eventually(lambda: (service.metric("http_requests_in_progress", path="/v1/tasks/claim") or 0) == count)


def wait_until_stuck(service: Service, reader: socket.socket) -> None:
    """Return once the service cannot send more to a reader that has stopped reading."""
    eventually(lambda: is_stuck(service, reader))


def is_stuck(service: Service, reader: socket.socket) -> bool:
    """Say whether the kernel holds more for this reader than can be on its way."""
    here = reader.getsockname()[1]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        local, remote, _, queues = line.split()[1:5]
        if [int(end.rpartition(":")[2], 16) for end in (local, remote)] == [service.port, here]:
            return int(queues.partition(":")[0], 16) > IN_FLIGHT_BYTES
    return False


@contextlib.contextmanager
def logged_statements(postgres: EmbeddedPostgres, database: psycopg.Connection) -> Iterator[Callable[[str], int]]:
    """Log all statements, and yield what counts those that hold a text."""
    database.execute("alter system set log_statement = 'all'")
    database.execute("select pg_reload_conf()")
    eventually(lambda: database.execute("show log_statement").fetchone() == ("all",))
    before = postgres.log.stat().st_size
    try:
        yield lambda text: postgres.log.read_bytes()[before:].count(text.encode())
    finally:
        database.execute("alter system reset log_statement")
        database.execute("select pg_reload_conf()")

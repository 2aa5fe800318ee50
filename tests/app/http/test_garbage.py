"""Requests and connections leave nothing behind for the garbage collector, which would hold up all others."""

import asyncio
import contextlib
import gc
import json
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from app.dev.postgres import EmbeddedPostgres
from app.http import garbage_collection
from app.http.garbage_collection import AT_LEAST_EVERY_S, FEW_CONNECTIONS, FULL_EVERY_S, GROWTH
from tests.support.raw import connected, exchange, send
from tests.support.service import Service, fresh_database
from tests.support.waiting import eventually

TIMES = 20


class UncollectedService(Service):
    """`taskpulse serve` by tests/support/uncollected.py."""

    def __init__(self, postgres: EmbeddedPostgres, folder: Path) -> None:
        self._file = folder / "garbage"
        command = [sys.executable, "-m", "tests.support.uncollected", str(self._file), "serve"]
        super().__init__(fresh_database(postgres), folder / "log", command=command)

    def garbage(self) -> dict[str, int]:
        """Return what only the garbage collector frees, by type, since the last call."""
        assert self.process is not None
        self._file.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR2)
        eventually(self._file.exists)
        found: dict[str, int] = json.loads(self._file.read_text())
        return found


@pytest.fixture(scope="module")
def uncollected(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[UncollectedService]:
    """A service that collects no garbage by itself."""
    with UncollectedService(postgres, tmp_path_factory.mktemp("uncollected")) as running:
        yield running


def head(method: str, path: str, *fields: str) -> bytes:
    return ("\r\n".join([f"{method} {path} HTTP/1.1", "Host: test", *fields]) + "\r\n\r\n").encode()


def waiting(service: Service) -> bytes:
    body = b'{"worker": "w", "ttl_s": 60, "labels": ["nothing"]}'
    fields = (f"Authorization: Bearer {service.key}", "Content-Type: application/json", "Prefer: wait=30")
    return head("POST", "/v1/tasks/claim", *fields, f"Content-Length: {len(body)}") + body


def keyed(path: str, *, method: str = "GET", more: tuple[str, ...] = ()) -> Callable[[Service], bytes]:
    return lambda service: head(method, path, f"Authorization: Bearer {service.key}", *more)


EXCHANGED: dict[str, Callable[[Service], bytes]] = {
    "a list": keyed("/v1/tasks?count=true&label=a"),
    "an export": keyed("/v1/tasks", more=("Accept: application/x-ndjson",)),
    "no task": keyed("/v1/tasks/00000000-0000-0000-0000-000000000000"),
    "no key": lambda _: head("GET", "/v1/tasks"),
    "a wrong body": keyed("/v1/tasks", method="POST", more=("Content-Type: application/json", "Content-Length: 2")),
    "no HTTP": lambda _: b"\x16\x03\x01\x02\x00\r\n\r\n",
    "many fields": lambda _: head("GET", "/", *(f"a{number}: b" for number in range(200))),
    "a long line": lambda _: head("GET", "/", f"a: {'b' * 50_000}"),
    "two lengths": lambda _: head("POST", "/v1/tasks", "Content-Length: 1", "Content-Length: 2"),
    "an upgrade": lambda _: head("GET", "/health/live", "Connection: upgrade", "Upgrade: h2c"),
    "a pipeline": lambda _: head("GET", "/health/live") * 10,
    "a long pipeline": lambda service: waiting(service) + head("GET", "/health/live") * 100,
    "a long poll": waiting,
    "a stream": keyed("/v1/events"),
}
"""Requests of a client that then ends its own side, and reads until the service ends its."""


@pytest.mark.parametrize("name", EXCHANGED)
def test_requests_leave_no_garbage(uncollected: UncollectedService, name: str) -> None:
    request = EXCHANGED[name](uncollected)
    exchange(uncollected, request)
    uncollected.garbage()  # what comes once, as caches do
    for _ in range(TIMES):
        exchange(uncollected, request)
    found = uncollected.garbage()
    assert max(found.values(), default=0) < TIMES, found


@pytest.mark.parametrize("name", ["nothing", "half a head", "half a body", "a long poll", "a stream"])
def test_connections_that_are_reset_leave_no_garbage(uncollected: UncollectedService, name: str) -> None:
    sent = {
        "nothing": b"",
        "half a head": b"GET / HTTP/1.1\r\nHost: test\r\n",
        "half a body": keyed("/v1/tasks", method="POST", more=("Content-Length: 99",))(uncollected) + b"{",
        "a long poll": waiting(uncollected),
        "a stream": keyed("/v1/events")(uncollected),
    }[name]
    for number in range(TIMES + 1):
        with connected(uncollected) as connection:
            send(connection, sent)
            if name == "a stream":
                assert connection.recv(1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if number == 0:
            eventually(lambda: connections(uncollected) == 0)
            uncollected.garbage()
    eventually(lambda: connections(uncollected) == 0)
    found = uncollected.garbage()
    assert max(found.values(), default=0) < TIMES, found


def test_refusals_that_wait_leave_no_garbage(uncollected: UncollectedService) -> None:
    """More come at once than are sent at once, and some of their clients leave meanwhile."""
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(connected(uncollected)) for _ in range(200)]
        for connection in opened:
            send(connection, head("GET", "/nothing"))
        answered = opened[0::2]
        for connection in opened[1::2]:
            connection.close()
        assert all(b" 404 " in connection.recv(65536) for connection in answered)
    eventually(lambda: connections(uncollected) == 0)
    found = uncollected.garbage()
    assert max(found.values(), default=0) < TIMES, found


def connections(service: Service) -> int:
    """Return how many connections the service has with its clients, without the one that asks."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    established, port = "01", f"{service.port:04X}"
    return sum(1 for line in lines if (parts := line.split())[1].endswith(f":{port}") and parts[3] == established)


def test_full_collections_wait_until_few_connections_are_open(monkeypatch: pytest.MonkeyPatch) -> None:
    now, opened, peak = 0.0, FEW_CONNECTIONS + 1, 100
    full: list[float] = []
    later: list[Callable[[], None]] = []
    loop = asyncio.new_event_loop()
    monkeypatch.setattr(gc, "collect", lambda generation=2: full.append(now) if generation == 2 else None)
    monkeypatch.setattr(garbage_collection, "_peak", lambda: peak)
    monkeypatch.setattr(loop, "time", lambda: now)
    monkeypatch.setattr(loop, "call_later", lambda _delay_s, *call: later.append(partial(*call)))
    garbage_collection._collect(loop, lambda: opened, 0.0, 100)
    for moment in (FULL_EVERY_S + 1, AT_LEAST_EVERY_S, AT_LEAST_EVERY_S + 1, AT_LEAST_EVERY_S + 2):
        now = moment
        later.pop()()
    assert full == [AT_LEAST_EVERY_S + 1]
    opened = FEW_CONNECTIONS
    for moment in (AT_LEAST_EVERY_S + FULL_EVERY_S, AT_LEAST_EVERY_S + FULL_EVERY_S + 2):
        now = moment
        later.pop()()
    assert full == [AT_LEAST_EVERY_S + 1, AT_LEAST_EVERY_S + FULL_EVERY_S + 2]
    full.clear()
    opened = FEW_CONNECTIONS + 1
    for more in (GROWTH, GROWTH + 1, 2 * GROWTH + 1, 2 * GROWTH + 2):
        peak = 100 + more
        later.pop()()
    assert full == [now, now]
    loop.close()

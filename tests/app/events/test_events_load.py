"""Many readers in one process, a reader that stops reading, and processes that are replaced under load."""

import asyncio
import contextlib
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from app.dev.postgres import EmbeddedPostgres
from app.events.hub import MAX_BACKLOG
from app.http.connections import GRACE_S
from app.settings import Settings
from tests.support.contract import problem
from tests.support.events import EventReader
from tests.support.service import Service, fresh_database
from tests.support.waiting import eventually, is_stuck, wait_until_stuck

MAX_STREAMS = Settings().event_streams
LIMIT_MIB = 256
"""The memory limit of the pods in base/deployment.yaml."""
AT_ONCE = 15
INSERT = (
    "insert into history (task_id, version, action, after)"
    " select gen_random_uuid(), 1, 'created', json_build_object('title', repeat('x', 15000))"
    " from generate_series(1, %s)"
)


@pytest.fixture
def own(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[Service]:
    """A service on a database of its own, where one key may have all streams."""
    options = {"EVENT_STREAMS_PER_KEY": str(2 * MAX_STREAMS)}
    with Service(fresh_database(postgres), tmp_path / "log", options) as running:
        yield running


def memory_mib(service: Service) -> float:
    assert service.process is not None
    return float(psutil.Process(service.process.pid).memory_info().rss) / 2**20


def request(service: Service, query: str = "") -> bytes:
    return f"GET /v1/events{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.key}\r\n\r\n".encode()


@pytest.mark.slow
@pytest.mark.alone
def test_a_thousand_idle_readers(own: Service) -> None:
    """They fit into the pod's memory, one statement serves them all, and the last has an event soon after the first."""
    before = memory_mib(own)
    with psycopg.connect(own.conninfo, autocommit=True) as connection:
        held, idle, delays = asyncio.run(_measure(own, connection))
        sessions = connection.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        ).fetchone()
        listening = connection.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and query like 'listen%'"
        ).fetchone()
    print(
        f"\n{MAX_STREAMS} readers: {before:.0f} -> {idle:.0f} MiB, {(idle - before) * 1024 / MAX_STREAMS:.0f} KiB each;"
        f" commit to the last reader {', '.join(f'{delay * 1000:.0f}' for delay in delays)} ms;"
        f" {held} streams open, {sessions} sessions"
    )
    assert held == MAX_STREAMS
    assert listening == (1,)
    assert idle < LIMIT_MIB * 0.8
    assert sorted(delays)[len(delays) // 2] < 2


async def _measure(service: Service, connection: psycopg.Connection) -> tuple[int, float, list[float]]:
    streams = []
    for _ in range(MAX_STREAMS):
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(request(service))
        streams.append((reader, writer))
    for reader, _ in streams:
        assert b" 200 " in await reader.readline()
        await reader.readuntil(b"retry: 1000")
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {service.key}"}) as client:
        refused = await client.get(f"{service.url}/v1/events")
        problem(refused, 503, "overloaded")
        delays = []
        for number in range(5):
            word = f'"number{number}"'.encode()
            waiting = [asyncio.ensure_future(reader.readuntil(word)) for reader, _ in streams]
            made = await client.post(f"{service.url}/v1/tasks", json={"title": f"number{number}"})
            started = time.monotonic()
            assert made.status_code == 201
            await asyncio.gather(*waiting)
            delays.append(time.monotonic() - started)
    idle = memory_mib(service)
    for _, writer in streams:
        writer.close()
    return len(streams), idle, delays


@pytest.mark.slow
def test_who_all_come_at_once_are_no_more_than_may_be(own: Service) -> None:
    """The first ones wait together for the first look, and are counted all the same."""
    answers = asyncio.run(_come_at_once(own, MAX_STREAMS + 50))
    assert (answers.count(b"200"), answers.count(b"503")) == (MAX_STREAMS, 50)


async def _come_at_once(service: Service, count: int) -> list[bytes]:
    streams = [await asyncio.open_connection("127.0.0.1", service.port) for _ in range(count)]
    for _, writer in streams:
        writer.write(request(service))
    answers = [(await reader.readline()).split()[1] for reader, _ in streams]
    for _, writer in streams:
        writer.close()
    return answers


def test_a_slow_reader_is_cut_off_and_the_others_feel_nothing(own: Service) -> None:
    with connected_with_little_room(own) as slow, EventReader(own.url, own.key) as other:
        slow.sendall(request(own))
        assert slow.recv(100)
        before, count, rounds = memory_mib(own), 0, 0
        with psycopg.connect(own.conninfo, autocommit=True) as connection:
            while streams(own) == 2:
                count += AT_ONCE
                stuck = is_stuck(own, slow)
                connection.execute(INSERT, [AT_ONCE])
                other.wait_for(count)
                rounds += stuck and streams(own) == 2
                slow.recv(20_000)
                assert count < 100 * AT_ONCE
        print(f"\ncut off after {count * 15 / 1024:.1f} MiB; in {rounds} rounds the other had all while it was stuck")
        assert rounds > 0
        assert len(other.blocks) == count
        assert memory_mib(own) - before < 4 * MAX_BACKLOG / 2**20 + 20
        assert broken_off(slow)


@pytest.mark.parametrize("query", ["", "?after=0"], ids=["live", "catching up"])
def test_readers_that_stop_cost_little_memory_and_are_cut_off(own: Service, query: str) -> None:
    """Each holds what its connection did not take, some 128 KiB, however much there is: here 15 MiB."""
    count = 100
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(psycopg.connect(own.conninfo, autocommit=True))
        if query:
            connection.execute(INSERT, [1000])
        stopped = [stack.enter_context(connected_with_little_room(own)) for _ in range(count)]
        before = memory_mib(own)
        for reader in stopped:
            reader.sendall(request(own, query))
        for reader in stopped:
            assert reader.recv(10)
        if not query:
            connection.execute(INSERT, [1000])
        eventually(lambda: streams(own) == 0)
        peak = own.peak_mib()
        print(f"\n{before:.0f} -> {peak:.0f} MiB")
        assert peak - before < 50
        assert all(broken_off(reader) for reader in stopped)


def test_sigterm_does_not_wait_for_a_reader_that_stopped(own: Service) -> None:
    with connected_with_little_room(own) as stopped:
        stopped.sendall(request(own))
        assert stopped.recv(10)
        with psycopg.connect(own.conninfo, autocommit=True) as connection:
            connection.execute(INSERT, [1000])
        wait_until_stuck(own, stopped)
        assert own.stop() == 0
        assert "exceeded" not in own.log.read_text(), "the stream was ended by force, after all the time that there is"


def connected_with_little_room(service: Service) -> socket.socket:
    """Connect with a small receive buffer, so that the test need not fill the kernel's megabytes."""
    connected = socket.socket()
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    connected.connect(("127.0.0.1", service.port))
    return connected


def broken_off(connected: socket.socket) -> bool:
    """Read what the kernel still has, and say whether the connection ended without the last chunk of HTTP/1.1."""
    connected.settimeout(60)
    end = b""
    try:
        while chunk := connected.recv(2**20):
            end = (end + chunk)[-5:]
    except ConnectionResetError:
        return True
    return end != b"0\r\n\r\n"


def streams(service: Service) -> int:
    count = service.metric("taskpulse_event_streams")
    assert count is not None
    return int(count)


def test_the_time_to_take_what_was_sent_is_less_than_a_heartbeat() -> None:
    assert GRACE_S < 15


class Rolling:
    """Two processes on one database, a writer, and readers who go from one to the other."""

    def __init__(self, pods: list[Service], readers: int) -> None:
        self.pods = pods
        self.over = threading.Event()
        self.made: list[str] = []
        self.seen: list[list[str]] = [[] for _ in range(readers)]
        self.breaks = [0] * readers
        self.threads = [threading.Thread(target=self.write)]
        self.threads += [threading.Thread(target=self.read, args=(number,)) for number in range(readers)]

    def write(self) -> None:
        headers = {"Authorization": f"Bearer {self.pods[0].key}"}
        with httpx.Client(headers=headers, timeout=10) as client:
            turn = 0
            while not self.over.is_set():
                turn += 1
                try:
                    response = client.post(f"{self.pods[turn % 2].url}/v1/tasks", json={"title": str(turn)})
                except httpx.TransportError:
                    continue
                if response.status_code == 201:
                    self.made.append(response.json()["id"])

    def read(self, number: int) -> None:
        last_id, turn = "0", number
        while not self.complete(number, 0):
            turn += 1
            reader = EventReader(self.pods[turn % 2].url, self.pods[0].key, after=last_id)
            with reader:
                while not reader.ended.wait(0.05) and not self.complete(number, len(reader.blocks)):
                    pass
            self.seen[number] += [got.data["task_id"] for got in reader.blocks]
            last_id = reader.last_id or last_id
            self.breaks[number] += 1
            time.sleep(0.05)

    def wait_for_more(self, pod: Service) -> None:
        """Return once many more tasks were made, and this pod has a stream."""
        before = len(self.made)
        eventually(lambda: len(self.made) > before + 100 and streams(pod))

    def complete(self, number: int, more: int) -> bool:
        return self.over.is_set() and len(self.seen[number]) + more >= len(self.made)


@pytest.mark.slow
def test_a_rolling_restart_under_load(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """Two processes are replaced in turn; readers go to whichever answers, and miss nothing."""
    settings = fresh_database(postgres)
    pods = [Service(settings, tmp_path / f"log{number}") for number in range(2)]
    for pod in pods:
        pod.key = pods[0].key
        pod.start()
    rolling = Rolling(pods, 4)
    for thread in rolling.threads:
        thread.start()
    for pod in pods:
        rolling.wait_for_more(pod)
        assert pod.stop() == 0
        pod.start()
    rolling.wait_for_more(pods[0])
    rolling.over.set()
    for thread in rolling.threads:
        thread.join(60)
    for pod in pods:
        pod.stop(signal.SIGINT)
    with psycopg.connect(pods[0].conninfo) as connection:
        rows = connection.execute("select task_id::text from history order by transaction, sequence").fetchall()
    expected = [task for (task,) in rows]
    print(f"\n{len(expected)} events, readers came back {rolling.breaks} times")
    assert min(rolling.breaks) > 1
    assert set(rolling.made) <= set(expected)  # an answer may get lost; a task does not
    for tasks in rolling.seen:
        assert tasks == expected[: len(tasks)]
        assert len(tasks) >= len(rolling.made)

"""Peers that do not write or do not read in time, and the limit of connections."""

import contextlib
import json
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from app.dev.postgres import EmbeddedPostgres
from app.http.connections import CLOSED_AT_ONCE, FLOOR, GRACE_S, HEAD_WITHIN_S, Connections, Pace
from app.http.connections import Peer as Connection
from tests.support.raw import connected, exchange, read_all, send, statuses
from tests.support.service import Service, fresh_database
from tests.support.waiting import eventually

GET = b"GET /health/live HTTP/1.1\r\nHost: test\r\n"
POST = b"POST /v1/tasks HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"


def refused(answers: bytes, status: int, problem: str) -> None:
    assert statuses(answers) == [status], answers[:500]
    assert json.loads(answers.partition(b"\r\n\r\n")[2])["type"] == f"/problems/{problem}"


class Peer:
    """A connection on which nothing moves unless the test says so."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.moved = 0
        self.paused = False
        self.idle: float | None = None

    def head_is_late(self) -> None:
        self.ended.append("head")

    def body_is_late(self) -> None:
        self.ended.append("body")

    def waits_for_us(self) -> bool:
        return self.paused

    def received(self) -> int:
        return self.moved

    def kept(self) -> int:
        return 0

    def unsent(self) -> int:
        return 10**6 - self.moved

    def idle_since(self) -> float | None:
        return self.idle

    def abort(self) -> None:
        self.ended.append("aborted")


def test_a_head_has_ten_seconds() -> None:
    everyone, early, late = Connections(10), Peer(), Peer()
    everyone.heads |= {early: 0.0, late: 5.0}
    everyone.sweep(HEAD_WITHIN_S - 0.1)
    assert early.ended == []
    everyone.sweep(HEAD_WITHIN_S)
    assert (early.ended, late.ended) == (["head"], [])


@pytest.mark.parametrize("kind", ["bodies", "answers"])
def test_what_moves_at_the_floor_rate_is_in_time(kind: str) -> None:
    everyone, peer = Connections(10), Peer()
    getattr(everyone, kind)[peer] = Pace(0.0, 0 if kind == "bodies" else 10**6)
    everyone.sweep(GRACE_S)
    peer.moved = 3 * FLOOR
    everyone.sweep(GRACE_S + 3)
    assert peer.ended == []
    everyone.sweep(GRACE_S + 3.1)
    assert peer.ended == (["body"] if kind == "bodies" else ["aborted"])


def test_a_body_that_the_service_does_not_read_is_not_late() -> None:
    everyone, peer = Connections(10), Peer()
    everyone.bodies[peer] = Pace(0.0, 0)
    peer.paused = True
    everyone.sweep(100.0)
    peer.paused = False
    everyone.sweep(100.0 + GRACE_S)
    assert peer.ended == []
    everyone.sweep(100.1 + GRACE_S)
    assert peer.ended == ["body"]


def test_room_is_made_by_the_oldest_head_then_by_a_stalled_body_then_by_the_longest_idle() -> None:
    everyone, busy, old, new = Connections(10), Peer(), Peer(), Peer()
    idle = [Peer() for _ in range(40)]
    for number, peer in enumerate(idle):
        peer.idle = float(number)
    everyone.heads |= {old: 0.0, new: 1.0}
    everybody: set[Connection] = {busy, old, new, *idle}
    moving, stalled = Peer(), Peer()
    everyone.bodies |= {moving: Pace(0.0, 0), stalled: Pace(0.0, 0)}
    moving.moved, stalled.moved = 10 * FLOOR, FLOOR
    assert everyone.make_room(everybody, 10.0)
    assert (old.ended, new.ended, stalled.ended) == (["aborted"], [], [])
    everyone.heads.clear()
    assert everyone.make_room(everybody, 10.0)
    assert (stalled.ended, moving.ended) == (["aborted"], [])
    assert not any(peer.ended for peer in idle)
    assert everyone.make_room(everybody, 10.0)
    assert not moving.ended
    assert [bool(peer.ended) for peer in idle] == [True] * 16 + [False] * 24
    assert not busy.ended
    assert not Connections(10).make_room({busy}, 10.0)


def test_a_sweep_closes_few_connections_and_the_next_one_comes_soon() -> None:
    everyone, peers = Connections(1000), [Peer() for _ in range(CLOSED_AT_ONCE + 1)]
    for peer in peers:
        everyone.bodies[peer] = Pace(0.0, 0)
    assert everyone.sweep(GRACE_S + 1)
    assert [bool(peer.ended) for peer in peers] == [True] * CLOSED_AT_ONCE + [False]
    for peer in peers[:CLOSED_AT_ONCE]:
        everyone.forget(peer)
    assert not everyone.sweep(GRACE_S + 1)
    assert peers[-1].ended == ["body"]


@pytest.mark.slow
def test_who_does_not_write_is_refused_in_time(service: Service) -> None:
    """All at once, as each takes ten seconds."""
    key = b"Authorization: Bearer " + service.key.encode() + b"\r\n"
    with contextlib.ExitStack() as stack:
        started = time.monotonic()
        heads, idle, breaks, bodies, chunks, ignored, slow = (stack.enter_context(connected(service)) for _ in range(7))
        heads.sendall(GET + b"X-More: ")
        breaks.sendall(b"\r\n")
        bodies.sendall(POST + key + b"Content-Length: 100\r\n\r\n{")
        chunks.sendall(POST + key + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n")
        ignored.sendall(GET + b"Content-Length: 100\r\n\r\n{")
        assert statuses(ignored.recv(65536)) == [200]
        slow.sendall(POST + key + b"Content-Length: 1000\r\n\r\n")
        refused(read_all(heads), 408, "request-timeout")
        assert time.monotonic() - started > HEAD_WITHIN_S - 1
        for _ in range(20):
            send(slow, b"x")
            time.sleep(0.1)
        for connection in (bodies, chunks, slow):
            refused(read_all(connection), 408, "request-timeout")
        assert read_all(idle) == read_all(breaks) == read_all(ignored) == b""
    assert (service.metric("taskpulse_refused_total", reason="head_timeout") or 0) >= 1
    assert (service.metric("taskpulse_refused_total", reason="body_timeout") or 0) >= 3


@contextlib.contextmanager
def not_reading(service: Service, request: bytes) -> Iterator[socket.socket]:
    """Send a request and read nothing of the answer."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(60)
        connection.connect(("127.0.0.1", service.port))
        connection.sendall(request)
        yield connection


@pytest.mark.slow
@pytest.mark.parametrize("path", ["export", "/v1/events?after=0"])  # a page fits into the kernel's buffer
def test_who_does_not_read_is_disconnected(
    service: Service, client: httpx.Client, database: psycopg.Connection, path: str
) -> None:
    database.execute(
        "insert into tasks (title, description) select 'x', repeat('word ', 2000) from generate_series(1, 300)"
    )
    database.execute(
        "insert into history (task_id, version, action, actor, before, after)"
        " select id, 1, 'created', 'tests', null, json_build_object('description', description) from tasks"
        " on conflict do nothing"
    )
    before = service.metric("taskpulse_refused_total", reason="not_reading") or 0
    accept = b"Accept: application/x-ndjson\r\n" if path == "export" else b""
    target = b"/v1/tasks" if path == "export" else path.encode()
    request = b"GET " + target + b" HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer " + service.key.encode() + b"\r\n"
    with not_reading(service, request + accept + b"\r\n") as connection:
        eventually(lambda: service.metric("taskpulse_refused_total", reason="not_reading") == before + 1)
        assert not read_all(connection).endswith(b"0\r\n\r\n")
    assert client.get("/health/live").status_code == 200


@pytest.fixture(scope="module")
def small(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that takes few connections."""
    log = tmp_path_factory.mktemp("small") / "log"
    with Service(fresh_database(postgres), log, {"MAX_CONNECTIONS": "20"}) as running:
        yield running


def test_at_the_limit_the_oldest_unfinished_head_goes_first(small: Service) -> None:
    with contextlib.ExitStack() as stack:
        half = [stack.enter_context(connected(small)) for _ in range(60)]
        for connection in half:
            send(connection, GET + b"X-More: ")
        assert statuses(exchange(small, GET + b"\r\n")) == [200]
        assert read_all(half[0]) == b""
        half[-1].sendall(b"x\r\nConnection: close\r\n\r\n")
        assert statuses(read_all(half[-1])) == [200]


def test_at_the_limit_idle_connections_go_next(small: Service) -> None:
    with contextlib.ExitStack() as stack:
        idle = []
        for _ in range(60):
            idle.append(stack.enter_context(connected(small)))
            send(idle[-1], GET + b"\r\n")
            assert statuses(idle[-1].recv(65536)) == [200]
        assert read_all(idle[0]) == b""
        idle[-1].sendall(GET + b"\r\n")
        assert statuses(idle[-1].recv(65536)) == [200]


def test_at_the_limit_the_oldest_unfinished_body_goes_last(small: Service) -> None:
    key = b"Authorization: Bearer " + small.key.encode() + b"\r\n"
    with contextlib.ExitStack() as stack:
        for _ in range(60):
            send(stack.enter_context(connected(small)), POST + key + b"Content-Length: 10\r\n\r\n")
        assert statuses(exchange(small, GET + b"\r\n")) == [200]


def test_where_every_connection_is_busy_a_new_one_is_refused(small: Service) -> None:
    claim = b'{"worker": "w", "ttl_s": 60, "labels": ["none"]}'
    head = (
        b"POST /v1/tasks/claim HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer " + small.key.encode() + b"\r\n"
        b"Content-Type: application/json\r\nPrefer: wait=30\r\nContent-Length: %d\r\n\r\n" % len(claim)
    )
    waiting = []
    try:
        for _ in range(20):
            connection = socket.create_connection(("127.0.0.1", small.port), 60)
            waiting.append(connection)
            send(connection, head + claim)
        eventually(lambda: b" 503 " in exchange(small, GET + b"\r\n")[:15])
        refused(exchange(small, GET + b"\r\n"), 503, "overloaded")
    finally:
        for connection in waiting:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)  # ends the long poll
        answers = [statuses(read_all(connection)) for connection in waiting]
        for connection in waiting:
            connection.close()
    assert answers.count([204]) >= 15  # of the others, the service had not read the head when one more came
    eventually(lambda: statuses(exchange(small, GET + b"\r\n")) == [200])


def test_a_half_close_lets_answers_go_out(client: httpx.Client, service: Service) -> None:
    key = b"Authorization: Bearer " + service.key.encode() + b"\r\n"
    client.post("/v1/tasks/batch", json={"tasks": [{"title": "x"}] * 1000})
    export = b"GET /v1/tasks HTTP/1.1\r\nHost: test\r\nAccept: application/x-ndjson\r\n" + key + b"\r\n"
    answers = exchange(service, GET + b"\r\n" + export)
    assert statuses(answers) == [200, 200]
    assert answers.count(b'"title"') == 1000
    assert answers.endswith(b"0\r\n\r\n")


def test_a_half_close_after_something_malformed_lets_the_answers_before_it_go_out(service: Service) -> None:
    claim = b'{"worker": "w", "ttl_s": 60, "labels": ["none"]}'
    key = b"Authorization: Bearer " + service.key.encode() + b"\r\n"
    waits = POST.replace(b"/v1/tasks", b"/v1/tasks/claim") + key + b"Prefer: wait=30\r\n"
    waits += b"Content-Length: %d\r\n\r\n" % len(claim) + claim
    assert statuses(exchange(service, waits + b"no request\r\n\r\n")) == [204]


def test_a_half_close_ends_a_stream_as_a_whole_answer(service: Service) -> None:
    key = b"Authorization: Bearer " + service.key.encode() + b"\r\n"
    answers = exchange(service, b"GET /v1/events HTTP/1.1\r\nHost: test\r\n" + key + b"\r\n")
    assert statuses(answers) == [200]
    assert answers.endswith(b"0\r\n\r\n")


@pytest.mark.slow
def test_connections_that_are_reset_leave_nothing(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    def reset(own: Service, number: int) -> None:
        for _ in range(number):
            with connected(own) as connection:
                connection.sendall(GET + b"\r\n")
                assert connection.recv(65536)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with Service(fresh_database(postgres), tmp_path / "log") as own:
        reset(own, 500)
        before = own.peak_mib()
        reset(own, 4000)
        assert own.peak_mib() - before < 10


@pytest.mark.slow
def test_three_thousand_half_heads(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    with Service(fresh_database(postgres), tmp_path / "log") as own, contextlib.ExitStack() as stack:
        half = [stack.enter_context(connected(own)) for _ in range(3000)]
        for connection in half:
            send(connection, GET + b"X-More: ")
        headers = {"Authorization": f"Bearer {own.key}"}
        with httpx.Client(base_url=own.url, headers=headers, timeout=60) as honest:
            assert {honest.get("/v1/tasks").status_code for _ in range(50)} == {200}
        refused(read_all(half[-1]), 408, "request-timeout")
        assert own.peak_mib() < 160

"""How large a request may be, and how much of the service's time and memory one that is larger takes."""

import contextlib
import json
import socket
from pathlib import Path

import psutil
import pytest

from app.dev.postgres import EmbeddedPostgres
from tests.support.raw import connected, exchange, read_all, send, statuses
from tests.support.service import Service, fresh_database
from tests.support.waiting import eventually

GET = b"GET /health/live HTTP/1.1\r\nHost: test\r\n"
POST = b"POST /v1/tasks HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
KIB, MIB = 1024, 1024 * 1024


def cpu_s(service: Service) -> float:
    """Return the processor time that the service has used."""
    assert service.process is not None
    times = psutil.Process(service.process.pid).cpu_times()
    return float(times.user + times.system)


def refused(answers: bytes, status: int, problem: str) -> None:
    assert statuses(answers) == [status], answers[:500]
    assert json.loads(answers.partition(b"\r\n\r\n")[2])["type"] == f"/problems/{problem}"


def test_it_works(service: Service) -> None:
    padding = b"X-Padding: " + b"x" * (31 * KIB) + b"\r\n"
    assert statuses(exchange(service, GET + padding + b"\r\n")) == [200]
    assert statuses(exchange(service, GET + b"a: b\r\n" * 99 + b"\r\n")) == [200]


LARGE = {
    "one field": GET + b"X-Large: " + b"x" * (33 * KIB) + b"\r\n\r\n",
    "fields": GET + (b"X-Large: " + b"x" * 1000 + b"\r\n") * 33 + b"\r\n",
    "a name": GET + b"x" * (33 * KIB) + b": x\r\n\r\n",
    "the target": b"GET /" + b"x" * (33 * KIB) + b" HTTP/1.1\r\nHost: test\r\n\r\n",
    "the query": b"GET /?" + b"x&" * (17 * KIB) + b" HTTP/1.1\r\nHost: test\r\n\r\n",
    "101 fields": GET + b"a:b\r\n" * 100 + b"\r\n",
    "trailers": POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + b"a:b\r\n" * 101 + b"\r\n",
}


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("size", [64 * MIB, 1000], ids=["at once", "in pieces"])
def test_a_head_that_is_too_large(service: Service, name: str, size: int) -> None:
    data = LARGE[name]
    answers = exchange(service, *(data[at : at + size] for at in range(0, len(data), size)))
    if name == "trailers" and statuses(answers) == [401]:
        return  # without a key, the answer comes before the trailers
    refused(answers, 431, "head-too-large")


def test_a_head_of_420_000_lines(service: Service) -> None:
    before = cpu_s(service)
    refused(exchange(service, GET + b"a:b\r\n" * 420_000 + b"\r\n"), 431, "head-too-large")
    assert cpu_s(service) - before < 1


def test_a_field_of_64_mib_is_refused_early(service: Service) -> None:
    before, sent = cpu_s(service), 0
    with connected(service) as connection:
        connection.sendall(GET + b"X-Large: ")
        try:
            while sent < 64 * MIB:
                sent += connection.send(b"x" * (64 * KIB))
        except (BrokenPipeError, ConnectionResetError):
            pass
        else:
            pytest.fail("the service read it all")
    assert sent < 32 * MIB
    assert cpu_s(service) - before < 1


def test_a_client_reads_why_its_head_was_refused_while_it_still_sends(service: Service) -> None:
    with connected(service) as connection:
        connection.sendall(GET + b"X-Large: " + b"x" * MIB)
        refused(read_all(connection), 431, "head-too-large")


ENDLESS = {
    "a chunk extension": (b"5;x=", b"x" * (64 * KIB)),
    "a trailer": (b"0\r\nX-Large: ", b"x" * (64 * KIB)),
    "trailers": (b"0\r\n", b"a:b\r\n" * 10_000),
    "leading zeros": (b"0", b"0" * (64 * KIB)),
}


@pytest.mark.parametrize("name", ENDLESS)
@pytest.mark.parametrize("path", [b"/v1/tasks", b"/health/live"])
def test_chunks_that_hold_nothing(service: Service, name: str, path: bytes) -> None:
    begin, more = ENDLESS[name]
    key = b"Authorization: Bearer " + service.key.encode() + b"\r\n"
    head = POST.replace(b"/v1/tasks", path) + key + b"Transfer-Encoding: chunked\r\n\r\n"
    with connected(service) as connection:
        send(connection, head + begin)
        for _ in range(600):
            try:
                connection.sendall(more)
            except (BrokenPipeError, ConnectionResetError):
                break
        else:
            pytest.fail("the service read it all")


@pytest.mark.parametrize("name", ENDLESS)
def test_chunks_that_hold_nothing_after_a_large_body(service: Service, name: str) -> None:
    """What the body has held so far is no allowance for one trailer of a hundred megabytes."""
    begin, more = ENDLESS[name]
    body = b"%x\r\n" % (15 * MIB) + b"x" * (15 * MIB) + b"\r\n"
    before, sent = cpu_s(service), 0
    with connected(service) as connection:
        send(connection, POST + b"Transfer-Encoding: chunked\r\n\r\n" + body + begin)
        try:
            while sent < 32 * MIB:
                sent += connection.send(more)
        except (BrokenPipeError, ConnectionResetError):
            pass
        else:
            pytest.fail("the service read it all")
    assert cpu_s(service) - before < 2


def test_the_body_of_a_call_without_one_is_dropped(service: Service) -> None:
    assert service.process is not None
    before = psutil.Process(service.process.pid).memory_info().rss
    streams = []
    try:
        for _ in range(100):
            connection = socket.create_connection(("127.0.0.1", service.port), 60)
            streams.append(connection)
            connection.sendall(
                b"GET /v1/events HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer " + service.key.encode() + b"\r\n"
                b"Content-Length: 1000000\r\n\r\n"
            )
            connection.sendall(b"x" * 999_999)
        for connection in streams:
            assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
        after = psutil.Process(service.process.pid).memory_info().rss
    finally:
        for connection in streams:
            connection.close()
    assert after - before < 30 * MIB


def test_a_large_file_that_nobody_reads_takes_no_memory(service: Service) -> None:
    assert service.process is not None
    asked = b"GET /docs/assets/swagger-ui-bundle.js HTTP/1.1\r\nHost: test\r\n\r\n"
    before = psutil.Process(service.process.pid).memory_info().rss
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", service.port))
            connection.sendall(asked)
            assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
        after = psutil.Process(service.process.pid).memory_info().rss
    assert after - before < 40 * MIB


CLAIM = b'{"worker":"w","ttl_s":60,"labels":["none"]}'
WAITS = POST.replace(b"/v1/tasks", b"/v1/tasks/claim") + b"Prefer: wait=30\r\nContent-Length: %d\r\n" % len(CLAIM)
UNREAD = {
    "a body behind a call that waits": (True, POST + b"Content-Length: 1000000\r\n\r\n" + b"x" * (250 * KIB)),
    "heads behind a call that waits": (True, (GET + b"X-Large: " + b"x" * (30 * KIB) + b"\r\n\r\n") * 8),
    "a head that does not end": (False, GET + b"X-Large: " + b"x" * (31 * KIB)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", UNREAD)
def test_what_nothing_reads_yet_takes_little_memory(postgres: EmbeddedPostgres, tmp_path: Path, name: str) -> None:
    """The connections send 25 to 200 MiB together."""
    behind, more = UNREAD[name]
    with Service(fresh_database(postgres), tmp_path / "log") as own, contextlib.ExitStack() as stack:
        before = own.peak_mib()
        waits = WAITS + b"Authorization: Bearer " + own.key.encode() + b"\r\n\r\n" + CLAIM
        for _ in range(800):
            connection = stack.enter_context(connected(own))
            send(connection, waits if behind else b"")
            connection.setblocking(False)
            with contextlib.suppress(OSError):
                connection.send(more)
        eventually(lambda: (own.metric("taskpulse_refused_total", reason="unread") or 0) > 0)
        assert own.peak_mib() - before < 64

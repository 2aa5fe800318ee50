"""Where a request begins and ends: what can be read in two ways is refused, or read in the way that is safe."""

import json
from itertools import product

import httpx
import pytest

from tests.support.raw import connected, exchange, read_all, send, statuses
from tests.support.service import Service

GET = b"GET /health/live HTTP/1.1\r\nHost: test\r\n"
INNER = b"GET /health/live HTTP/1.1\r\nHost: inner\r\nX-Request-ID: smuggled\r\n\r\n"


def refused(answers: bytes, status: int, problem: str) -> None:
    """Check that the only answer is this problem, and that the connection ends with it."""
    assert statuses(answers) == [status], answers
    head, _, body = answers.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    assert json.loads(body)["type"] == f"/problems/{problem}"
    assert json.loads(body)["request_id"].encode() in head


def test_it_works(service: Service) -> None:
    assert statuses(exchange(service, GET + b"\r\n")) == [200]


UPGRADES = [
    b"Connection: upgrade\r\nUpgrade: websocket\r\n",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
    b"Connection: keep-alive\r\nConnection: upgrade\r\nUpgrade: TLS/1.3, websocket\r\n",
    b"Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n",
]
BODIES = [
    (b"Content-Length: %d\r\n" % len(INNER), INNER),
    (b"Transfer-Encoding: chunked\r\n", b"%x\r\n%b\r\n0\r\n\r\n" % (len(INNER), INNER)),
]


@pytest.mark.parametrize(("upgrade", "framing"), list(product(UPGRADES, BODIES)))
@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_an_upgrade_is_ignored_and_the_body_belongs_to_its_request(
    service: Service, upgrade: bytes, framing: tuple[bytes, bytes], *, apart: bool, method: bytes
) -> None:
    head, body = framing
    head = method + b" /health/live HTTP/1.1\r\nHost: test\r\n" + upgrade + head + b"\r\n"
    answers = exchange(service, head, body) if apart else exchange(service, head + body)
    assert statuses(answers) == [200 if method == b"GET" else 405], answers
    assert b"smuggled" not in answers


def test_the_next_request_after_an_ignored_upgrade_is_answered(service: Service) -> None:
    asks = GET + UPGRADES[0] + b"Content-Length: 3\r\n\r\nabc"
    assert statuses(exchange(service, asks + GET + UPGRADES[1] + b"\r\n" + GET + b"\r\n")) == [200, 200, 200]


def test_a_call_with_an_upgrade_gets_its_body(client: httpx.Client, service: Service) -> None:
    body = b'{"title": "upgraded"}'
    head = (
        b"POST /v1/tasks HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer " + service.key.encode() + b"\r\n"
        b"Content-Type: application/json\r\n" + UPGRADES[0] + b"Content-Length: %d\r\n\r\n" % len(body)
    )
    assert statuses(exchange(service, head, body)) == [201]
    assert [task["title"] for task in client.get("/v1/tasks").json()["items"]] == ["upgraded"]


MALFORMED = {
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "two hosts in 1.0": b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
    "a host that is none": b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "a host with a path": b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "a folded line": GET + b"X-Folded: a\r\n b\r\n\r\n",
    "a folded first line": b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: a\n\n",
    "a bare carriage return": GET + b"X-Bare: a\rb\r\n\r\n",
    "a bare line feed in a field": GET + b"X-Bare: a\nContent-Length: 3\r\n\r\n",
    "a blank before the colon": GET + b"Content-Length : 3\r\n\r\nabc",
    "a field without a name": GET + b": x\r\n\r\n",
    "a zero byte": GET + b"X-Zero: \0\r\n\r\n",
    "two equal lengths": GET + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "two lengths": GET + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "a list of lengths": GET + b"Content-Length: 3, 3\r\n\r\nabc",
    "a signed length": GET + b"Content-Length: +3\r\n\r\nabc",
    "a hexadecimal length": GET + b"Content-Length: 0x3\r\n\r\nabc",
    "a length beyond 64 bits": GET + b"Content-Length: 18446744073709551617\r\n\r\n",
    "length and chunks": GET + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": GET + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "another coding": GET + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": GET + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": GET + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "an unknown coding": GET + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks in 1.0": b"GET / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a method for proxies": b"CONNECT test:443 HTTP/1.1\r\nHost: test\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_can_be_read_in_two_ways_is_refused(service: Service, name: str) -> None:
    refused(exchange(service, MALFORMED[name]), 400, "malformed-request")


@pytest.mark.parametrize("size", [b"-1", b"0x1", b"1 ", b"", b"g", b"1\n", b"f" * 17])
def test_a_chunk_size_that_is_none_ends_the_request(service: Service, size: bytes) -> None:
    head = (
        b"POST /v1/tasks HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer " + service.key.encode() + b"\r\n"
        b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    refused(exchange(service, head + size + b"\r\nx\r\n0\r\n\r\n" + INNER), 400, "malformed-request")


def test_what_a_1_0_client_may_leave_out(service: Service) -> None:
    assert statuses(exchange(service, b"GET /health/live HTTP/1.0\r\n\r\n")) == [200]


@pytest.mark.parametrize("host", [b"", b"test:8000", b"[::1]:80", b"a_b.example", b"xn--e1afmkfd.example:443"])
def test_hosts_that_are_allowed(service: Service, host: bytes) -> None:
    assert statuses(exchange(service, b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")) == [200]


def test_the_target_may_be_a_whole_url(service: Service) -> None:
    assert statuses(exchange(service, b"GET http://test/health/live HTTP/1.1\r\nHost: test\r\n\r\n")) == [200]


def test_trailers_change_nothing(service: Service) -> None:
    trailers = b"Authorization: Bearer " + service.key.encode() + b"\r\nHost: other\r\n"
    head = (
        b"POST /v1/tasks HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    answers = exchange(service, head, b"2\r\n{}\r\n0\r\n" + trailers + b"\r\n" + GET + b"\r\n")
    assert statuses(answers) == [401, 200]


def test_requests_in_a_row_are_answered_in_order(service: Service) -> None:
    asks = [b"GET /%b HTTP/1.1\r\nHost: test\r\nX-Request-ID: n%d\r\n\r\n" % (b"nope" * (n % 2), n) for n in range(12)]
    answers = exchange(service, b"".join(asks))
    assert statuses(answers) == [404 if n % 2 else 200 for n in range(12)]
    assert [answers.index(b"x-request-id: n%d\r\n" % n) for n in range(12)] == sorted(
        answers.index(b"x-request-id: n%d\r\n" % n) for n in range(12)
    )


def test_too_many_requests_in_a_row(service: Service) -> None:
    with connected(service) as connection:
        send(connection, (GET + b"\r\n") * 1000)
        answered = statuses(read_all(connection))
    assert 1 <= len(answered) <= 20
    assert set(answered) == {200}


def test_a_refusal_waits_for_the_answer_before_it(service: Service) -> None:
    assert statuses(exchange(service, GET + b"\r\n" + b"NONSENSE\r\n\r\n")) in ([200], [200, 400])

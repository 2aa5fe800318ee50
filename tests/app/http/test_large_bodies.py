"""What large bodies cost: the event loop's time, and memory."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.dev.postgres import EmbeddedPostgres
from app.keys import admin as keys
from tests.support.contract import problem
from tests.support.raw import statuses
from tests.support.service import Service, fresh_database
from tests.support.waiting import eventually
from tests.support.watching import WatchedService

MIB = 1024 * 1024
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def watched(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedService]:
    """A service whose longest callback is measured."""
    with WatchedService(fresh_database(postgres), tmp_path_factory.mktemp("watched")) as running:
        yield running


@pytest.fixture(scope="module")
def caller(watched: WatchedService) -> Iterator[httpx.Client]:
    """A client that has made its first call."""
    headers = {"Authorization": f"Bearer {watched.key}"}
    with httpx.Client(base_url=watched.url, headers=headers, timeout=120) as connected:
        assert connected.post("/v1/tasks", json={"title": "x" * 20, "description": "y" * 9000}).status_code == 201
        yield connected


def many(item: bytes, number: int) -> bytes:
    return b",".join([item] * number)


UNKNOWN = b",".join(b'"%05d":1' % number for number in range(90_000))
COSTLY = {
    "90,000 unknown fields": b'{"title":"x",' + UNKNOWN + b"}",
    "150,000 times one name": b'{"title":"x",' + many(b'"":1', 150_000) + b"}",
    "150,000 times a field": b"{" + many(b'"title":"x"', 80_000) + b"}",
    "150,000 times one name in the payload": b'{"title":"x","payload":{' + many(b'"":1', 150_000) + b"}}",
    "deep lists": b'{"title":"x","payload":{"a":[' + many(b"[" * 90 + b"]" * 90, 5_000) + b"]}}",
    "lists without end": b'{"title":"x","payload":{"a":' + b"[" * 500_000,
    "objects without end": b'{"title":"x","payload":' + b'{"a":' * 100_000,
    "a long number": b'{"title":"x","payload":{"a":' + b"1" * 1_000_000 + b"}}",
    "long numbers": b'{"title":"x","payload":{"a":[' + many(b"1" * 299, 3_000) + b"]}}",
    "escapes": b'{"title":"x","payload":{"a":"' + b"\\u0041" * 160_000 + b'"}}',
    "surrogates": b'{"title":"x","payload":{"a":[' + many(b'"\\ud83d\\ude00"', 60_000) + b"]}}",
    "labels": b'{"title":"x","labels":[' + many(b'"x"', 200_000) + b"]}",
    "wrong labels": b'{"title":"x","labels":[' + many(b"1", 400_000) + b"]}",
    "a long name": b'{"title":"x","' + b"n" * 1_000_000 + b'":1}',
    "many errors below 64 KiB": b'{"title":"x",' + UNKNOWN[:60_000].rpartition(b",")[0] + b"}",
    "lists below 16 KiB": b'{"title":"","description":"\\ud83d\\ude00","payload":{"a":['
    + many(b"[" * 80 + b"]" * 80, 90)
    + b"]}}",
}


# The aim is 50 ms, and 150 ms for an honest batch: `make attack` measures that. Without bounds it takes ten times as
# long, so these tests leave room for a busy machine.
@pytest.mark.alone
@pytest.mark.parametrize("name", COSTLY)
def test_a_body_that_is_refused_does_not_hold_up_the_loop(
    watched: WatchedService, caller: httpx.Client, name: str
) -> None:
    watched.begin()
    response = caller.post("/v1/tasks", content=COSTLY[name], headers=JSON)
    assert response.status_code == 400, response.text[:500]
    assert len(response.content) < 100_000
    assert watched.longest_ms() < 150


@pytest.mark.alone
def test_an_honest_batch_of_8_mib(watched: WatchedService, caller: httpx.Client) -> None:
    task = {"title": "honest", "labels": ["a", "b"], "payload": {"a": "words and words, " * 440}}
    body = json.dumps({"tasks": [task] * 1000}).encode()
    assert 7 * MIB < len(body) < 8 * MIB
    watched.begin()
    assert caller.post("/v1/tasks/batch", content=body, headers=JSON).status_code == 201
    assert watched.longest_ms() < 400


HEADERS = {
    "If-None-Match": ", ".join(f'"{number}"' for number in range(3_500)),
    "Accept": ", ".join(f"text/x{number};q=0.{number % 10}" for number in range(1_500)),
    "Prefer": "wait=x," * 3_500,
    "Cookie": "a=b;" * 5_000,
    "Authorization": "Bearer " + " " * 30_000 + "x",
    "X-Request-ID": "x" * 30_000,
    "traceparent": "0" * 30_000,
    "X-Forwarded-For": "1.1.1.1," * 3_500,
}


@pytest.mark.alone
@pytest.mark.parametrize("name", HEADERS)
def test_long_lists_in_headers(watched: WatchedService, caller: httpx.Client, name: str) -> None:
    watched.begin()
    task = caller.get("/v1/tasks?limit=1").json()["items"][0]["id"]
    for path in (f"/v1/tasks/{task}", "/v1/tasks?limit=1"):
        assert caller.get(path, headers={name: HEADERS[name]}).status_code in (200, 304, 400, 401, 406)
    assert watched.longest_ms() < 150


QUERIES = {
    "one name": "&".join(["x=1"] * 7_000),
    "names": "&".join(f"x{number}" for number in range(4_000)),
    "a list": "&".join(f"label=l{number}" for number in range(2_500)),
    "escapes": "q=" + "%41" * 10_000,
    "separators": "&" * 30_000,
}


@pytest.mark.alone
@pytest.mark.parametrize("name", QUERIES)
def test_long_queries(watched: WatchedService, caller: httpx.Client, name: str) -> None:
    watched.begin()
    response = caller.get(f"/v1/tasks?limit=1&{QUERIES[name]}")
    assert response.status_code in (200, 400)
    assert watched.longest_ms() < 150
    assert len(response.content) < 100_000


@pytest.mark.parametrize(
    ("text", "name", "status"),
    [
        (b'"\\u0000"', "invalid-request", 400),
        (b'"\\ud83d"', "malformed-json", 400),
        (b'{"a":1,"a":2}', "malformed-json", 400),
        (b"1e999", "malformed-json", 400),
        (b"1" * 400, "malformed-json", 400),
        (b"[" * 101 + b"]" * 101, "malformed-json", 400),
        (b"NaN", "malformed-json", 400),
        (b"\xff", "malformed-json", 400),
    ],
)
def test_what_no_body_may_hold_is_found_in_a_large_one(
    client: httpx.Client, text: bytes, name: str, status: int
) -> None:
    def body(value: bytes) -> bytes:
        task = b'{"title":"x","description":"' + b"y" * 9_000 + b'","payload":{"a":[0,[1e-300,{}]]}}'
        return b'{"tasks":[' + many(task, 20) + b',{"title":"\\ud83d\\ude00","payload":{"a":' + value + b"}}]}"

    assert client.post("/v1/tasks/batch", content=body(b"1e300"), headers=JSON).status_code == 201
    response = client.post("/v1/tasks/batch", content=body(text), headers=JSON)
    assert response.json()["type"] == f"/problems/{name}"
    assert response.status_code == status


def batch(client: httpx.Client, key: str, body: bytes) -> httpx.Response:
    """Send a batch."""
    return client.post("/v1/tasks/batch", content=body, headers={"Authorization": f"Bearer {key}"} | JSON)


def unfinished(service: Service, key: str, size: int) -> socket.socket:
    """Send a batch but for its last bytes."""
    connection = socket.create_connection(("127.0.0.1", service.port), 60)
    connection.sendall(
        b"POST /v1/tasks/batch HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer " + key.encode() + b"\r\nContent-Length: %d\r\n\r\n" % (size + 1)
    )
    connection.sendall(b"x" * size)
    return connection


def test_bodies_that_never_end_take_little_memory(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """Past its own bound a key gets 429; past that of the process, any key 503; and then all is as before."""
    with Service(fresh_database(postgres), tmp_path / "log") as own:
        other = keys.create(own.settings, "other", ("write",), None)
        open_ones = [unfinished(own, own.key, 7 * MIB) for _ in range(30)]
        more: list[socket.socket] = []
        try:
            answered = eventually(
                lambda: (own.metric("taskpulse_refused_total", reason="body_bytes_per_key") or 0) >= 28
            )
            assert answered
            assert own.peak_mib() < 160
            headers = {"Authorization": f"Bearer {own.key}"}
            with httpx.Client(base_url=own.url, timeout=60) as client:
                assert client.get("/v1/tasks", headers=headers).status_code == 200
                assert client.post("/v1/tasks", json={"title": "x"}, headers=headers).status_code == 201
                body = b'{"tasks":[{"title":"' + b"x" * (5 * MIB)

                def is_refused() -> bool:
                    """Keep the bounds full: on a slow machine, bodies that stand still have been refused meanwhile."""
                    more.extend(unfinished(own, key, size) for key, size in ((own.key, 7 * MIB), (other, 6 * MIB)))
                    return batch(client, other, body).status_code == 503

                eventually(is_refused)
                assert "25,165,824" in problem(batch(client, other, body), 503, "overloaded")["detail"]
                response = batch(client, own.key, body)
                assert "16,777,216" in problem(response, 429, "limit-reached")["detail"]
                assert response.headers["retry-after"] == "2"
            answers = [statuses(connection.recv(65536)) for connection in open_ones if _answered(connection)]
            assert answers.count([429]) >= 28
            assert all(answer in ([429], [408]) for answer in answers)
        finally:
            for connection in (*open_ones, *more):
                connection.close()
        with httpx.Client(base_url=own.url, timeout=60) as client:
            eventually(lambda: batch(client, other, body).status_code == 400)


def _answered(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        connection.settimeout(60)

"""The header Idempotency-Key, on the calls that create tasks."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest

from app.dev.postgres import EmbeddedPostgres
from app.keys import admin as keys
from app.postgres.pool import LOCK_TIMEOUT_S
from tests.support.service import Service

BODY = {"title": "Only once"}


def send(client: httpx.Client, key: str, body: Any = BODY, path: str = "/v1/tasks") -> httpx.Response:
    return client.post(path, json=body, headers={"Idempotency-Key": key})


def count(database: psycopg.Connection) -> int:
    row = database.execute("select count(*) from tasks").fetchone()
    assert row is not None
    return int(row[0])


def hold(connection: psycopg.Connection, service: Service, key: str) -> None:
    """Have a transaction that has just taken this key."""
    connection.execute(
        "insert into idempotency_keys (api_key, key, fingerprint) values (%s, %s, sha256(''))",
        (service.key.split("_")[1], key),
    )


def test_it_works(client: httpx.Client, database: psycopg.Connection) -> None:
    first, second = send(client, "k"), send(client, "k")
    assert first.status_code == second.status_code == 201
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert second.content == first.content
    for name in ("location", "etag", "content-type", "accept-patch"):
        assert second.headers[name] == first.headers[name]
    assert count(database) == 1


def test_the_first_answer_comes_again_though_the_task_changed_since(client: httpx.Client) -> None:
    first = send(client, "k")
    client.patch(first.headers["location"], json={"title": "Changed"})
    assert send(client, "k").content == first.content


def test_a_batch_is_made_once(client: httpx.Client, database: psycopg.Connection) -> None:
    body = {"tasks": [{"title": f"Task {n}", "payload": {"text": "é" * 5000}} for n in range(300)]}
    first = send(client, "k", body, "/v1/tasks/batch")
    second = send(client, "k", body, "/v1/tasks/batch")
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.content == first.content
    assert second.headers["idempotency-replayed"] == "true"
    assert count(database) == 300


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/tasks", {"title": "Another"}), ("/v1/tasks/batch", {"tasks": [BODY]})],
)
def test_another_request_with_the_same_key_is_refused(
    client: httpx.Client, database: psycopg.Connection, path: str, body: Any
) -> None:
    send(client, "k")
    refused = send(client, "k", body, path)
    assert refused.status_code == 422
    assert refused.json()["type"] == "/problems/idempotency-key-reused"
    assert count(database) == 1


def test_a_key_belongs_to_the_api_key_that_sent_it(
    client: httpx.Client, service: Service, database: psycopg.Connection
) -> None:
    first = send(client, "k")
    other = keys.create(service.settings, "another client", ("write",), None)
    theirs = client.post(
        "/v1/tasks", json={"title": "Theirs"}, headers={"Idempotency-Key": "k", "Authorization": f"Bearer {other}"}
    )
    assert theirs.status_code == 201
    assert theirs.json()["id"] != first.json()["id"]
    assert count(database) == 2


def test_a_failed_request_stores_nothing(client: httpx.Client, database: psycopg.Connection) -> None:
    assert send(client, "k", {"title": ""}).status_code == 400
    assert database.execute("select from idempotency_keys").fetchall() == []
    assert send(client, "k").status_code == 201


def test_work_that_fails_in_the_database_stores_nothing(client: httpx.Client, database: psycopg.Connection) -> None:
    database.execute("alter table tasks add constraint no_more check (title <> 'Only once')")
    try:
        assert send(client, "k").status_code == 500
    finally:
        database.execute("alter table tasks drop constraint no_more")
    assert database.execute("select from idempotency_keys").fetchall() == []
    assert "idempotency-replayed" not in send(client, "k").headers


def test_an_expired_key_is_free_again_though_its_row_is_still_there(
    client: httpx.Client, database: psycopg.Connection
) -> None:
    first = send(client, "k")
    database.execute("update idempotency_keys set expires_at = clock_timestamp()")
    second = send(client, "k", {"title": "Another"})
    assert second.status_code == 201
    assert second.json()["id"] != first.json()["id"]
    assert send(client, "k", {"title": "Another"}).content == second.content


def test_an_answer_is_kept_for_a_day(client: httpx.Client, database: psycopg.Connection) -> None:
    send(client, "k")
    (kept,) = database.execute("select expires_at - clock_timestamp() from idempotency_keys").fetchall()
    assert 24 * 3600 - 60 < kept[0].total_seconds() <= 24 * 3600


def test_fifty_at_once_make_one_task_and_get_one_answer(client: httpx.Client, database: psycopg.Connection) -> None:
    together = threading.Barrier(50)

    def race(_: int) -> httpx.Response:
        together.wait()
        return send(client, "k")

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(race, range(50)))
    assert [answer.status_code for answer in answers] == [201] * 50
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 49
    assert count(database) == 1


def test_the_second_waits_for_the_first_and_works_if_that_fails(
    client: httpx.Client, service: Service, database: psycopg.Connection
) -> None:
    with psycopg.connect(service.conninfo) as other, ThreadPoolExecutor(1) as pool:
        hold(other, service, "k")
        waiting = pool.submit(send, client, "k")
        while not database.execute("select from pg_locks where not granted").fetchall():
            assert not waiting.done()
        other.rollback()
        assert waiting.result().status_code == 201
    assert count(database) == 1


def test_it_waits_no_longer_than_the_lock_time_out(
    client: httpx.Client, service: Service, postgres: EmbeddedPostgres, database: psycopg.Connection
) -> None:
    """It waits once: the answer comes while the key is still held."""
    timed_out = "canceling statement due to lock timeout"
    before = postgres.log.read_text().count(timed_out)
    with psycopg.connect(service.conninfo) as other:
        hold(other, service, "k")
        refused = send(client, "k")
        other.rollback()
    assert refused.status_code == 409
    assert refused.json()["type"] == "/problems/idempotency-in-progress"
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.elapsed.total_seconds() > LOCK_TIMEOUT_S - 0.1
    assert postgres.log.read_text().count(timed_out) == before + 1
    assert count(database) == 0


def test_quotes_around_a_key_are_not_part_of_it(client: httpx.Client) -> None:
    first = send(client, 'a\\"b')
    assert send(client, '"a\\\\\\"b"').content == first.content


@pytest.mark.parametrize(
    "key", ["k" * 255, '"' + "k" * 255 + '"', "550e8400-e29b-41d4-a716-446655440000", "a,b", '"a b"']
)
def test_a_key_has_up_to_255_characters(client: httpx.Client, key: str) -> None:
    assert send(client, key).status_code == 201
    assert send(client, key).headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize(
    "key", ["", '""', '"', '"open', "k" * 256, '"' + "k" * 256 + '"', "a b", "caf\xe9", '"caf\xe9"']
)
def test_any_other_key_is_refused(client: httpx.Client, database: psycopg.Connection, key: str) -> None:
    refused = client.post("/v1/tasks", json=BODY, headers=[(b"Idempotency-Key", key.encode("latin-1"))])
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["in"] == "header"
    assert refused.json()["errors"][0]["pointer"] == "Idempotency-Key"
    assert count(database) == 0


def test_two_keys_are_refused(client: httpx.Client) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    assert client.post("/v1/tasks", json=BODY, headers=headers).status_code == 400

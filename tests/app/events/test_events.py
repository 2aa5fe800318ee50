"""GET /v1/events: the form of the stream, filters, resuming, refusals, keys, heartbeat."""

import signal
import time
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from app.dev.postgres import EmbeddedPostgres
from app.http.sse import HEARTBEAT_S
from app.keys import admin as keys
from app.postgres.pruning import BITE
from app.postgres.statements import sql
from tests.support.contract import Contract, problem
from tests.support.events import EventReader, order
from tests.support.leases import claim, new_task
from tests.support.service import Service, fresh_database
from tests.support.waiting import eventually


def test_it_works(client: httpx.Client, service: Service, contract: Contract) -> None:
    with EventReader(service.url, service.key) as reader:
        task = new_task(client, title="Print", labels=["print"])
        (got,) = reader.wait_for(1)
    assert got.data["task_id"] == task
    assert (got.data["action"], got.data["title"], got.data["version"]) == ("created", "Print", 1)
    assert got.data["actor"]["name"] == "tests"
    assert got.data["before"] is None
    contract.validate("#/components/schemas/TaskEvent", got.data)


def test_resuming_by_header_or_query_misses_nothing(client: httpx.Client, service: Service) -> None:
    with EventReader(service.url, service.key) as reader:
        first = new_task(client)
        (got,) = reader.wait_for(1)
    later = [new_task(client) for _ in range(5)]
    with EventReader(service.url, service.key, after=got.id) as reader:
        assert [one.data["task_id"] for one in reader.wait_for(5)] == later
    with EventReader(service.url, service.key, after="0") as reader:
        assert [one.data["task_id"] for one in reader.wait_for(6)] == [first, *later]
    assert reader.ids == sorted(set(reader.ids))


def test_a_new_reader_can_resume_before_its_first_event(client: httpx.Client, service: Service) -> None:
    with EventReader(service.url, service.key) as reader:
        start = reader.last_id
    task = new_task(client)
    with EventReader(service.url, service.key, after=start) as reader:
        assert reader.wait_for(1)[0].data["task_id"] == task


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"action": "claimed"}, ["print claimed"]),
        ({"action": ["claimed", "updated"]}, ["print claimed", "other updated"]),
        ({"status": "done"}, ["other updated"]),
        ({"assignee": "ann"}, ["other created", "other updated"]),
        ({"label": "print"}, ["print created", "print claimed"]),
        ({"label": ["print", "x"], "action": "created"}, ["print created"]),
    ],
)
def test_filters(client: httpx.Client, service: Service, params: dict[str, Any], expected: list[str]) -> None:
    task = new_task(client, title="print", labels=["print"])
    other = new_task(client, title="other", assignee="ann")
    claim(client, task)
    client.patch(f"/v1/tasks/{other}", json={"status": "done"}).raise_for_status()
    with EventReader(service.url, service.key, after="0", **params) as reader:
        reader.wait_for(len(expected))
        new_task(client, title="none")
        last = new_task(client, title="last", labels=["print"], assignee="ann")  # in each filter by one of its events
        token = claim(client, last)["lease"]["token"]
        client.post(f"/v1/tasks/{last}/complete", json={"token": token}).raise_for_status()
        reader.wait_for(len(expected) + 1)
    got = [f"{one.data['title']} {one.data['action']}" for one in reader.blocks if one.data["task_id"] != last]
    assert got == expected


def test_filter_by_task(client: httpx.Client, service: Service) -> None:
    one, _ = new_task(client), new_task(client)
    with EventReader(service.url, service.key, task=one, after="0") as reader:
        reader.wait_for(1)
        client.delete(f"/v1/tasks/{one}").raise_for_status()
        reader.wait_for(2)
    assert [got.data["action"] for got in reader.blocks] == ["created", "deleted"]


@pytest.mark.parametrize(
    ("params", "headers", "pointer"),
    [
        ({"after": "x"}, {}, "after"),
        ({"after": ""}, {}, "after"),
        ({"after": "1"}, {}, "after"),
        ({"after": "5c1f0a9b3e7d-99999999999999999999-1"}, {}, "after"),
        ({"after": "5c1f0a9b3e7d-\u0663-1"}, {}, "after"),
        ({}, {"Last-Event-ID": "5c1f0a9b3e7d-1-9223372036854775808"}, "Last-Event-ID"),
        ({}, {"Last-Event-ID": "5c1f0a9b3e7d-1"}, "Last-Event-ID"),
        ({"status": "opn"}, {}, "status"),
        ({"action": "made"}, {}, "action"),
        ({"task": "7"}, {}, "task"),
        ({"label": ""}, {}, "label"),
        ({"label": "x" * 51}, {}, "label"),
        ({"colour": "red"}, {}, "colour"),
        ({"label": "a\0"}, {}, "label"),
    ],
)
def test_bad_input(client: httpx.Client, params: dict[str, str], headers: dict[str, str], pointer: str) -> None:
    problem(client.get("/v1/events", params=params, headers=headers), 400, "invalid-request", pointer)


def test_another_media_type_is_406(client: httpx.Client) -> None:
    problem(client.get("/v1/events", headers={"Accept": "application/json"}), 406, "not-acceptable")


def test_head_has_no_body(client: httpx.Client) -> None:
    response = client.head("/v1/events")
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store, no-transform"
    assert response.headers["x-accel-buffering"] == "no"


@pytest.mark.parametrize("after", ["0123456789ab-1-1", "future"])
def test_an_id_that_this_database_never_gave_resets(client: httpx.Client, service: Service, after: str) -> None:
    new_task(client)
    with EventReader(service.url, service.key) as reader:
        here = reader.last_id
    if after == "future":
        epoch, transaction, sequence = here.split("-")
        after = f"{epoch}-{int(transaction) + 1000}-{sequence}"
    with EventReader(service.url, service.key, after=after) as reader:
        (got,) = reader.wait_for(1)
        assert (got.event, got.data, got.id) == ("reset", {"reason": "unknown"}, here)
        new_task(client)
        assert reader.wait_for(2)[1].event == "message"


def test_an_id_older_than_what_is_kept_resets(
    client: httpx.Client, service: Service, database: psycopg.Connection
) -> None:
    old = [new_task(client) for _ in range(3)]
    with EventReader(service.url, service.key, after="0") as reader:
        got = list(reader.wait_for(3))
    database.execute("update history set at = now() - interval '400 days' where task_id = any(%s)", [old[:2]])
    database.execute(sql("events/prune_history"), {"bite": BITE, "days": 365})  # as the service does some time
    eventually(lambda: database.execute("select count(*) from history").fetchone() == (1,))
    eventually(lambda: service.metric("taskpulse_event_streams") == 0)  # the next reader makes it look
    with EventReader(service.url, service.key, after=got[0].id) as reader:
        missed, kept = reader.wait_for(2)
        assert (missed.event, missed.data, missed.id) == ("reset", {"reason": "pruned"}, got[1].id)
        assert kept.data["task_id"] == old[2]
    with EventReader(service.url, service.key, after=got[1].id) as reader:
        assert reader.wait_for(1)[0].data["task_id"] == old[2]
    with EventReader(service.url, service.key, after="0") as reader:
        assert reader.wait_for(1)[0].data["task_id"] == old[2]


def test_a_revoked_key_ends_the_stream(client: httpx.Client, service: Service) -> None:
    new_task(client)
    key = keys.create(service.settings, "short", ("read",), None)
    with EventReader(service.url, key) as revoked, EventReader(service.url, service.key) as other:
        keys.revoke(service.settings, key)
        assert revoked.ended.wait(60)
        assert not other.ended.is_set()


def test_a_comment_comes_at_least_every_15_seconds() -> None:
    assert HEARTBEAT_S <= 15


def test_a_heartbeat_moves_a_filtered_reader_on(client: httpx.Client, service: Service) -> None:
    with EventReader(service.url, service.key, label="none") as reader, EventReader(service.url, service.key) as other:
        start = reader.last_id
        new_task(client)
        newest = other.wait_for(1)[0].id
        started = time.monotonic()
        eventually(lambda: reader.comments and other.comments)
        assert time.monotonic() > started + HEARTBEAT_S - 1
        eventually(lambda: order(reader.last_id) == order(newest))
        assert order(newest) > order(start)
        assert reader.blocks == []


def test_sigterm_ends_streams(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    with Service(fresh_database(postgres), tmp_path / "log") as own:
        assert own.process is not None
        with EventReader(own.url, own.key) as reader:
            own.process.send_signal(signal.SIGTERM)
            assert reader.ended.wait(60)
            with EventReader(own.url, own.key) as late:  # the port is open for a moment
                assert late.ended.wait(60)
            assert own.process.wait(60) == 0
        assert "exceeded" not in own.log.read_text(), "a stream was ended by force"

"""PATCH /v1/tasks/{id}."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.contract import problem
from tests.support.leases import token_of

FULL = {
    "title": "Count stock",
    "description": "All of it.",
    "priority": "high",
    "assignee": "alice",
    "labels": ["office"],
    "due_at": "2027-03-01T08:30:00.000000Z",
    "payload": {"shelves": [1, 2]},
    "max_attempts": 7,
}


@pytest.fixture
def path(client: httpx.Client) -> str:
    """The path of a task with a value in every field."""
    return client.post("/v1/tasks", json=FULL).headers["location"]


def test_it_works(client: httpx.Client, path: str) -> None:
    before = client.get(path).json()
    response = client.patch(path, json={"title": "Count it all"})
    assert response.status_code == 200
    assert response.headers["etag"] == '"2"'
    after = response.json()
    assert after["updated_at"] > before["updated_at"]
    changed = {"title": "Count it all", "version": 2, "updated_at": after["updated_at"]}
    assert after == before | changed
    assert client.get(path).json() == after


@pytest.mark.parametrize(
    "patch", [{}, {"title": "Count stock"}, {"payload": {}}, {"payload": {"x": None}}, FULL], ids=str
)
def test_what_changes_nothing_keeps_the_version(client: httpx.Client, path: str, patch: dict[str, Any]) -> None:
    before = client.get(path)
    response = client.patch(path, json=patch)
    assert response.status_code == 200
    assert response.json() == before.json()
    assert response.headers["etag"] == before.headers["etag"]


def test_a_payload_is_merged_and_labels_are_replaced(client: httpx.Client, path: str) -> None:
    client.patch(path, json={"payload": {"a": {"b": 1, "c": 2}}, "labels": ["x", "y"]})
    after = client.patch(path, json={"payload": {"a": {"b": None, "d": [None]}, "shelves": 3}, "labels": ["z"]}).json()
    assert after["payload"] == {"a": {"c": 2, "d": [None]}, "shelves": 3}
    assert after["labels"] == ["z"]


def test_a_payload_that_grows_too_large_by_merging(client: httpx.Client, path: str) -> None:
    client.patch(path, json={"payload": {"a": "x" * 10_000}})
    response = client.patch(path, json={"payload": {"b": "x" * 10_000}})
    assert "would have 20" in problem(response, 400, "invalid-request", "#/payload")["detail"]
    assert client.get(path).json()["version"] == 2


def test_a_payload_that_grows_too_deep_by_merging(client: httpx.Client, path: str) -> None:
    deep: dict[str, Any] = {}
    for _ in range(97):
        deep = {"a": deep}
    assert client.patch(path, json={"payload": deep}).status_code == 200
    assert client.patch(path, json={"payload": {"a": {"b": deep["a"]}}}).status_code == 200
    assert client.get(path).json()["payload"]["a"]["b"] == deep["a"]


def test_finished_at_follows_the_status(client: httpx.Client, path: str) -> None:
    done = client.patch(path, json={"status": "done"}).json()
    assert done["finished_at"] > done["created_at"]
    failed = client.patch(path, json={"status": "failed"}).json()
    assert failed["finished_at"] == done["finished_at"]
    opened = client.patch(path, json={"status": "open"}).json()
    assert opened["finished_at"] is None
    assert opened["version"] == 4


def test_the_end_of_a_task_is_the_moment_of_the_change(client: httpx.Client, database: psycopg.Connection) -> None:
    """Two readings of the clock would differ now and then, by a microsecond."""
    tasks = client.post("/v1/tasks/batch", json={"tasks": [{"title": "x"}] * 150}).json()["items"]
    for index, task in enumerate(tasks):
        if index % 3 == 0:
            client.patch(f"/v1/tasks/{task['id']}", json={"status": "done"})
        else:
            token = token_of(client, task["id"])
            call = "complete" if index % 3 == 1 else "release"
            if call == "release":
                client.patch(f"/v1/tasks/{task['id']}", json={"status": "cancelled"})
            assert client.post(f"/v1/tasks/{task['id']}/{call}", json={"token": token}).status_code == 200
    ends = database.execute("select status, count(*) from tasks where finished_at = updated_at group by 1").fetchall()
    assert dict(ends) == {"done": 100, "cancelled": 50}


def test_that_moment_comes_after_the_wait_for_another_change(
    client: httpx.Client, database: psycopg.Connection, path: str
) -> None:
    waiting = (
        "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database())"
    )
    with ThreadPoolExecutor() as threads:
        with database.transaction():
            database.execute("select from tasks for update")
            answer = threads.submit(client.patch, path, json={"status": "done"})
            while database.execute(waiting).fetchall() != [(True,)]:
                assert not answer.done()
                database.execute("select pg_stat_clear_snapshot()")
            [(before,)] = database.execute("select clock_timestamp()").fetchall()
        task = answer.result().json()
    assert datetime.fromisoformat(task["finished_at"]) > before
    assert task["finished_at"] == task["updated_at"]


@pytest.mark.parametrize("tag", ['"1"', '"7", "1"', '"x","1",', "*"])
def test_if_match_with_the_present_version(client: httpx.Client, path: str, tag: str) -> None:
    response = client.patch(path, json={"title": "y"}, headers={"If-Match": tag})
    assert response.status_code == 200
    assert response.headers["etag"] == '"2"'


@pytest.mark.parametrize("tag", ['"2"', 'W/"1"', '""', '"x"', '"01"', '"99999999999999999999"', '"0", W/"1"', ""])
@pytest.mark.parametrize("patch", [{"title": "y"}, {"payload": {"a": 1}}, {}, {"title": "Count stock"}], ids=str)
def test_if_match_with_another_version(client: httpx.Client, path: str, tag: str, patch: dict[str, Any]) -> None:
    problem(client.patch(path, json=patch, headers={"If-Match": tag}), 412, "precondition-failed")
    assert client.get(path).json()["version"] == 1


def test_tags_in_two_header_lines_are_one_list(client: httpx.Client, path: str) -> None:
    lines = [("If-Match", '"7"'), ("If-Match", '"1"')]
    assert client.patch(path, json={"title": "y"}, headers=lines).status_code == 200


@pytest.mark.parametrize("tag", ["1", '"1', 'w/"1"', '"1" "2"', '*, "1"'])
def test_what_is_not_an_entity_tag(client: httpx.Client, path: str, tag: str) -> None:
    problem(client.patch(path, json={}, headers={"If-Match": tag}), 400, "invalid-request", "If-Match")


def test_a_stale_tag_of_a_deleted_task(client: httpx.Client, path: str) -> None:
    client.delete(path)
    for patch in ({}, {"title": "y"}, {"payload": {"a": 1}}):
        problem(client.patch(path, json=patch, headers={"If-Match": '"1"'}), 404, "not-found")

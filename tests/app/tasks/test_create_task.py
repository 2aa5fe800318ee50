"""POST /v1/tasks."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import psycopg
import pytest


def test_it_works(client: httpx.Client) -> None:
    response = client.post("/v1/tasks", json={"title": "Rotate the signing key"})
    assert response.status_code == 201
    task = response.json()
    assert response.headers["location"] == f"/v1/tasks/{task['id']}"
    assert response.headers["etag"] == '"1"'
    assert response.headers["accept-patch"] == "application/merge-patch+json, application/json"
    assert UUID(task["id"]).version == 7
    created_at = datetime.fromisoformat(task["created_at"])
    assert abs(datetime.now(UTC) - created_at) < timedelta(seconds=5)
    assert task["created_at"].endswith("Z")
    assert task == {
        "id": task["id"],
        "title": "Rotate the signing key",
        "description": None,
        "status": "open",
        "priority": "normal",
        "assignee": None,
        "labels": [],
        "due_at": None,
        "run_after": None,
        "claimable_at": None,
        "payload": {},
        "max_attempts": 3,
        "retry": None,
        "unique_key": None,
        "attempts": 0,
        "fence": 0,
        "cancel_requested": False,
        "result": None,
        "created_at": task["created_at"],
        "updated_at": task["created_at"],
        "finished_at": None,
        "version": 1,
    }


@pytest.mark.parametrize("status", ["done", "cancelled", "failed"])
def test_a_task_that_is_finished_from_the_start(client: httpx.Client, status: str) -> None:
    task = client.post("/v1/tasks", json={"title": "x", "status": status}).json()
    assert task["finished_at"] == task["created_at"]


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2027-03-01T08:30:00+02:00", "2027-03-01T06:30:00.000000Z"),
        ("2027-03-01T08:30:00-00:00", "2027-03-01T08:30:00.000000Z"),
        ("2027-03-01t08:30:00z", "2027-03-01T08:30:00.000000Z"),
        ("2027-03-01T08:30:00.123456Z", "2027-03-01T08:30:00.123456Z"),
    ],
)
def test_times_become_utc(client: httpx.Client, sent: str, stored: str) -> None:
    assert client.post("/v1/tasks", json={"title": "x", "due_at": sent}).json()["due_at"] == stored


def test_null_is_the_default_where_a_field_may_be_null(client: httpx.Client) -> None:
    task = client.post("/v1/tasks", json={"title": "x", "description": None, "assignee": None, "due_at": None}).json()
    assert (task["description"], task["assignee"], task["due_at"]) == (None, None, None)


def test_white_space_of_a_payload_is_not_counted_and_not_kept(client: httpx.Client) -> None:
    body = '{"title": "x", "payload": {"a":' + " " * 20_000 + "1}}"
    response = client.post("/v1/tasks", content=body, headers={"Content-Type": "application/json"})
    assert '{"a":1}' in response.text


def test_ids_sort_by_the_time_of_creation(client: httpx.Client) -> None:
    ids = [client.post("/v1/tasks", json={"title": "x"}).json()["id"] for _ in range(20)]
    assert ids == sorted(ids)


def test_the_schema_itself_refuses_what_the_contract_forbids(
    client: httpx.Client, database: psycopg.Connection
) -> None:
    client.post("/v1/tasks", json={"title": "x"})
    wrong = [
        "title = ''",
        "title = repeat('x', 201)",
        "description = repeat('x', 10001)",
        "assignee = ''",
        "labels = array['']",
        "labels = array[repeat('x', 51)]",
        "labels = array_fill('x'::label, array[21])",
        "payload = '[]'",
        "payload = json_build_object('a', repeat('x', 16384))",
        "max_attempts = 0",
        "max_attempts = 1001",
        "attempts = -1",
        "status = 'done'",
        "finished_at = now()",
    ]
    for assignment in wrong:
        with pytest.raises(psycopg.errors.CheckViolation):
            database.execute(b"update tasks set " + assignment.encode())


def test_an_offset_may_be_larger_than_any_in_use(client: httpx.Client) -> None:
    """RFC 3339 allows up to 23:59, PostgreSQL less than 16 hours."""
    task = client.post("/v1/tasks", json={"title": "x", "due_at": "2026-01-01T00:00:00-23:59"}).json()
    assert task["due_at"] == "2026-01-01T23:59:00.000000Z"
    task = client.patch(f"/v1/tasks/{task['id']}", json={"due_at": "2026-01-01T00:00:00+23:59"}).json()
    assert task["due_at"] == "2025-12-31T00:01:00.000000Z"

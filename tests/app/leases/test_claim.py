"""POST /v1/tasks/{id}/claim."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.leases import claim, expire, history, new_task, problem, read
from tests.support.waiting import eventually


def test_it_works(client: httpx.Client, database: psycopg.Connection) -> None:
    task_id = new_task(client)
    answer = claim(client, task_id, "printer-1", 60)
    assert answer["task"] == read(client, task_id)
    assert answer["task"]["status"] == "in_progress"
    assert answer["task"]["version"] == 2
    lease = answer["lease"]
    assert lease.keys() == {"token", "fence", "attempt", "expires_at", "pulse_every_s"}
    assert (lease["fence"], lease["attempt"], lease["pulse_every_s"]) == (1, 1, 20)
    left = datetime.fromisoformat(lease["expires_at"]) - datetime.now(UTC)
    assert timedelta(seconds=55) < left <= timedelta(seconds=60)
    assert history(database, task_id)[1:] == [
        (
            "claimed",
            2,
            {"status": "open", "fence": 0},
            {"status": "in_progress", "fence": 1, "worker": "printer-1", "attempt": 1},
        )
    ]


def test_a_claimed_task_is_refused_and_says_for_how_long(client: httpx.Client) -> None:
    task_id = new_task(client)
    claim(client, task_id, ttl_s=100)
    response = client.post(f"/v1/tasks/{task_id}/claim", json={"worker": "w2", "ttl_s": 60})
    assert response.status_code == 409
    assert problem(response) == "task-claimed"
    assert 95 <= int(response.headers["retry-after"]) <= 100


def test_a_lease_expires_by_time_alone(client: httpx.Client) -> None:
    task_id = new_task(client)
    first = claim(client, task_id, ttl_s=1)

    def take_over() -> Any:
        response = client.post(f"/v1/tasks/{task_id}/claim", json={"worker": "w2", "ttl_s": 60})
        return response.json() if response.status_code == 200 else None

    second = eventually(take_over)
    assert datetime.now(UTC) >= datetime.fromisoformat(first["lease"]["expires_at"])
    assert second["lease"]["token"] != first["lease"]["token"]
    assert (second["lease"]["fence"], second["lease"]["attempt"]) == (2, 2)
    assert second["task"]["attempts"] == 1


def test_taking_over_writes_the_expiry_and_the_claim(client: httpx.Client, database: psycopg.Connection) -> None:
    task_id = new_task(client)
    claim(client, task_id)
    with psycopg.connect(database.info.dsn) as holder:  # keeps the sweeper off, which passes over locked rows
        holder.execute("select from leases where task_id = %s for update", [task_id])
        holder.execute("update leases set expires_at = now() where task_id = %s", [task_id])
    claim(client, task_id, "w2")
    rows = history(database, task_id)
    assert [row[:2] for row in rows] == [("created", 1), ("claimed", 2), ("expired", 3), ("claimed", 4)]
    assert rows[2][2:] == ({"attempts": 0}, {"attempts": 1, "worker": "w1"})
    assert rows[3][2:] == ({"fence": 1}, {"fence": 2, "worker": "w2", "attempt": 2})


@pytest.mark.parametrize("status", ["done", "cancelled", "failed"])
def test_a_finished_task_is_refused(client: httpx.Client, status: str) -> None:
    response = client.post(f"/v1/tasks/{new_task(client, status=status)}/claim", json={"worker": "w", "ttl_s": 9})
    assert response.status_code == 409
    assert problem(response) == "task-finished"


def test_an_unknown_task_is_not_found(client: httpx.Client) -> None:
    response = client.post("/v1/tasks/01890a5d-ac96-774b-bcce-b302099a8057/claim", json={"worker": "w", "ttl_s": 9})
    assert problem(response) == "not-found"


def test_the_last_attempt_cannot_be_taken_over(client: httpx.Client, database: psycopg.Connection) -> None:
    task_id = new_task(client, max_attempts=1)
    claim(client, task_id)
    expire(database, task_id)
    response = client.post(f"/v1/tasks/{task_id}/claim", json={"worker": "w2", "ttl_s": 9})
    assert problem(response) == "task-claimed"
    assert 25 <= int(response.headers["retry-after"]) <= 30


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"ttl_s": 9}, "#/worker"),
        ({"worker": "", "ttl_s": 9}, "#/worker"),
        ({"worker": "w", "ttl_s": 0}, "#/ttl_s"),
        ({"worker": "w", "ttl_s": 86_401}, "#/ttl_s"),
        ({"worker": "w", "ttl_s": 9, "extra": 1}, "#/extra"),
    ],
)
def test_bad_input_is_named(client: httpx.Client, body: dict[str, object], pointer: str) -> None:
    response = client.post(f"/v1/tasks/{new_task(client)}/claim", json=body)
    assert response.status_code == 400
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


def test_a_lost_answer_can_be_fetched_again(client: httpx.Client) -> None:
    task_id = new_task(client)
    request = {"json": {"worker": "w1", "ttl_s": 60}, "headers": {"Idempotency-Key": f"claim-{task_id}"}}
    first = client.post(f"/v1/tasks/{task_id}/claim", **request)  # type: ignore[arg-type]
    again = client.post(f"/v1/tasks/{task_id}/claim", **request)  # type: ignore[arg-type]
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"


def test_a_task_somebody_works_on_by_hand_can_be_claimed(client: httpx.Client) -> None:
    assert claim(client, new_task(client, status="in_progress"))["lease"]["fence"] == 1

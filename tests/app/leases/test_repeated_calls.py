"""Calls of workers that are repeated after a lost answer, when the task has gone on meanwhile."""

import uuid
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.leases import Json, claim, expire, history, new_task, problem, read, token_of

CLAIM = {"worker": "w", "ttl_s": 60}


def post(client: httpx.Client, path: str, key: str, body: Any = None) -> httpx.Response:
    return client.post(f"/v1/tasks/{path}", json=body, headers={"Idempotency-Key": key})


def end(client: httpx.Client, how: str, task_id: str, token: str) -> httpx.Response:
    body = {"token": token} | ({"error": "It broke."} if how == "fail" else {})
    return client.post(f"/v1/tasks/{task_id}/{how}", json=body)


def claimed(client: httpx.Client, key: str) -> tuple[str, Json]:
    """Claim a new task with a key; return its id and the lease."""
    task_id = new_task(client)
    lease: Json = post(client, f"{task_id}/claim", key, CLAIM).json()["lease"]
    return task_id, lease


def test_a_repeated_requeue_does_not_reopen_what_was_done_since(client: httpx.Client) -> None:
    task_id = new_task(client, status="done")
    first = post(client, f"{task_id}/requeue", "again")
    end(client, "complete", task_id, token_of(client, task_id)).raise_for_status()
    second = post(client, f"{task_id}/requeue", "again")
    assert (second.status_code, second.content) == (200, first.content)
    assert second.headers["idempotency-replayed"] == "true"
    assert read(client, task_id)["status"] == "done"
    assert post(client, f"{task_id}/requeue", "another").json()["status"] == "open"


def test_a_requeue_that_was_refused_can_be_repeated(client: httpx.Client) -> None:
    task_id = new_task(client)
    token = token_of(client, task_id)
    assert problem(post(client, f"{task_id}/requeue", "k")) == "task-claimed"
    end(client, "complete", task_id, token).raise_for_status()
    assert post(client, f"{task_id}/requeue", "k").json()["status"] == "open"


@pytest.mark.parametrize("how", ["fail", "release"])
def test_the_end_of_an_attempt_repeats_its_answer_even_once_another_has_begun(client: httpx.Client, how: str) -> None:
    task_id = new_task(client)
    body = {"token": token_of(client, task_id)} | ({"error": "It broke."} if how == "fail" else {})
    first = post(client, f"{task_id}/{how}", "k", body)
    other = token_of(client, task_id, "another")
    second = post(client, f"{task_id}/{how}", "k", body)
    assert (second.status_code, second.content) == (200, first.content)
    assert problem(end(client, how, task_id, body["token"])) == "lease-lost"
    end(client, "complete", task_id, other).raise_for_status()


@pytest.mark.parametrize("how", ["fail", "release"])
def test_without_a_key_it_answers_with_the_present_task_until_another_begins(client: httpx.Client, how: str) -> None:
    task_id = new_task(client)
    token = token_of(client, task_id)
    end(client, how, task_id, token).raise_for_status()
    client.patch(f"/v1/tasks/{task_id}", json={"title": "Changed"}).raise_for_status()
    again = end(client, how, task_id, token)
    assert again.status_code == 200
    assert again.json() == read(client, task_id)
    assert again.headers["etag"] == f'"{again.json()["version"]}"'
    assert problem(end(client, how, task_id, str(uuid.uuid4()))) == "lease-lost"


@pytest.mark.parametrize("later", ["nothing", "a pulse", "its end in silence"])
def test_a_repeated_claim_gives_the_same_lease_as_long_as_a_pulse_could_keep_it(
    client: httpx.Client, database: psycopg.Connection, later: str
) -> None:
    task_id, lease = claimed(client, "k")
    if later == "a pulse":
        client.post(f"/v1/tasks/{task_id}/pulse", json={"token": lease["token"]}).raise_for_status()
    elif later != "nothing":
        expire(database, task_id, 5)
    again = post(client, f"{task_id}/claim", "k", CLAIM)
    assert again.json()["lease"] == lease
    assert client.post(f"/v1/tasks/{task_id}/pulse", json={"token": lease["token"]}).status_code == 200


@pytest.mark.parametrize("how", ["complete", "fail", "release", "another claim", "delete"])
def test_a_repeated_claim_of_a_lease_that_has_ended_says_so_and_begins_none(
    client: httpx.Client, database: psycopg.Connection, how: str
) -> None:
    task_id, lease = claimed(client, "k")
    if how == "another claim":
        expire(database, task_id)
        claim(client, task_id, "another")
    else:
        end(client, "release" if how == "delete" else how, task_id, lease["token"]).raise_for_status()
    if how == "delete":
        client.delete(f"/v1/tasks/{task_id}").raise_for_status()
    before = history(database, task_id)
    assert problem(post(client, f"{task_id}/claim", "k", CLAIM)) == "lease-lost"
    assert history(database, task_id) == before
    if how in ("fail", "release"):
        assert post(client, f"{task_id}/claim", "new", CLAIM).status_code == 200


def test_a_repeated_claim_of_many_has_the_leases_that_are_left(client: httpx.Client) -> None:
    for _ in range(3):
        new_task(client)
    body = CLAIM | {"limit": 3}
    first = post(client, "claim", "k", body).json()["items"]
    assert len(first) == 3
    end(client, "complete", first[1]["task"]["id"], first[1]["lease"]["token"]).raise_for_status()
    again = post(client, "claim", "k", body)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["items"] == [first[0], first[2]]


@pytest.mark.parametrize("prefer", [{}, {"Prefer": "wait=30"}])
def test_it_answers_at_once_that_none_is_left_and_takes_no_other_task(
    client: httpx.Client, prefer: dict[str, str]
) -> None:
    new_task(client)
    first = post(client, "claim", "k", CLAIM).json()["items"][0]
    end(client, "complete", first["task"]["id"], first["lease"]["token"]).raise_for_status()
    other = new_task(client)
    again = client.post("/v1/tasks/claim", json=CLAIM, headers={"Idempotency-Key": "k"} | prefer, timeout=20)
    assert (again.status_code, again.content) == (204, b"")
    assert read(client, other)["status"] == "open"

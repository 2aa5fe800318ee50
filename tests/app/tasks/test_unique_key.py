"""`unique_key`: at most one unfinished task has it."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.leases import Json, claim, new_task, problem, read, token_of
from tests.support.service import NO_TLS, Service


def create(client: httpx.Client, **fields: Any) -> httpx.Response:
    return client.post("/v1/tasks", json={"title": "x", "unique_key": "k"} | fields)


def batch(client: httpx.Client, *tasks: Json, **headers: str) -> httpx.Response:
    return client.post("/v1/tasks/batch", json={"tasks": [{"title": "x"} | task for task in tasks]}, headers=headers)


def all_tasks(client: httpx.Client) -> list[Json]:
    items: list[Json] = client.get("/v1/tasks?sort=created_at&limit=200").json()["items"]
    return items


def test_it_works(client: httpx.Client) -> None:
    made = create(client)
    assert (made.status_code, made.json()["unique_key"]) == (201, "k")
    found = create(client, title="Other", priority="urgent")
    assert (found.status_code, found.json()) == (200, made.json())
    for name in ("location", "etag", "accept-patch"):
        assert found.headers[name] == made.headers[name]
    assert [task["id"] for task in all_tasks(client)] == [made.json()["id"]]
    assert create(client, unique_key="K").status_code == 201
    assert create(client, unique_key=None).status_code == create(client, unique_key=None).status_code == 201


def test_the_task_that_is_there_comes_as_it_is_now(client: httpx.Client) -> None:
    made = create(client).json()
    claim(client, made["id"])
    found = create(client)
    assert (found.status_code, found.json()) == (200, read(client, made["id"]))
    assert found.headers["etag"] == '"2"'
    assert len(client.get(f"/v1/tasks/{made['id']}/history").json()["items"]) == 2


@pytest.mark.parametrize("end", ["done", "cancelled", "failed", "completed", "deleted"])
def test_a_finished_task_gives_it_back(client: httpx.Client, end: str) -> None:
    first = create(client).json()["id"]
    if end == "deleted":
        client.delete(f"/v1/tasks/{first}")
    elif end == "completed":
        client.post(f"/v1/tasks/{first}/complete", json={"token": token_of(client, first)})
    else:
        client.patch(f"/v1/tasks/{first}", json={"status": end})
    again = create(client)
    assert again.status_code == 201
    assert again.json()["id"] != first


def test_a_task_that_is_finished_from_the_start_does_not_have_it(client: httpx.Client) -> None:
    for _ in range(2):
        assert create(client, status="done").status_code == 201
    assert create(client).status_code == 201
    assert create(client, status="failed").status_code == 201


def test_an_idempotency_key_comes_first(client: httpx.Client) -> None:
    first = client.post("/v1/tasks", json={"title": "x", "unique_key": "k"}, headers={"Idempotency-Key": "a"})
    second = client.post("/v1/tasks", json={"title": "x", "unique_key": "k"}, headers={"Idempotency-Key": "b"})
    client.patch(f"/v1/tasks/{first.json()['id']}", json={"status": "done"})
    for key, answer in (("a", first), ("b", second)):
        replay = client.post("/v1/tasks", json={"title": "x", "unique_key": "k"}, headers={"Idempotency-Key": key})
        assert (replay.status_code, replay.content) == (answer.status_code, answer.content)
        assert replay.headers["location"] == answer.headers["location"]
        assert replay.headers["idempotency-replayed"] == "true"
    assert (first.status_code, second.status_code) == (201, 200)
    assert len(all_tasks(client)) == 1


class TestBatch:
    def test_those_that_are_there_are_listed(self, client: httpx.Client) -> None:
        there = create(client).json()
        response = batch(client, {"title": "a"}, {"unique_key": "k"}, {"unique_key": "new"}, {"title": "b"})
        assert (response.status_code, response.json()["existing"]) == (201, [1])
        items = response.json()["items"]
        assert items[1] == there
        assert [(task["title"], task["unique_key"]) for task in items] == [
            ("a", None),
            ("x", "k"),
            ("x", "new"),
            ("b", None),
        ]
        assert [task["id"] for task in all_tasks(client)] == [there["id"], *(items[n]["id"] for n in (0, 2, 3))]

    def test_where_none_was_made_it_is_200(self, client: httpx.Client) -> None:
        first = batch(client, {"unique_key": "a"}, {"unique_key": "b"})
        again = batch(client, {"unique_key": "b"}, {"unique_key": "a"})
        assert (first.status_code, first.json()["existing"]) == (201, [])
        assert (again.status_code, again.json()["existing"]) == (200, [0, 1])
        assert again.json()["items"] == first.json()["items"][::-1]

    def test_duplicates_share_one_task(self, client: httpx.Client) -> None:
        response = batch(
            client, {"title": "first", "unique_key": "k"}, {"title": "second", "unique_key": "k"}, {"unique_key": "a"}
        )
        assert (response.status_code, response.json()["existing"]) == (201, [1])
        first, second, _ = response.json()["items"]
        assert (first, first["title"]) == (second, "first")
        assert len(all_tasks(client)) == 2

    def test_they_keep_the_order_given(self, client: httpx.Client) -> None:
        """Workers take them in it, whatever the order of their keys."""
        keys = ["c", "a", None, "d", "b"]
        items = batch(client, *({"unique_key": key} for key in keys)).json()["items"]
        assert [task["unique_key"] for task in items] == keys
        claimed = client.post("/v1/tasks/claim", json={"worker": "w", "ttl_s": 60, "limit": 5}).json()["items"]
        assert [item["task"]["unique_key"] for item in claimed] == keys

    def test_a_replay_repeats_the_status(self, client: httpx.Client) -> None:
        batch(client, {"unique_key": "a"})
        first = batch(client, {"unique_key": "a"}, **{"Idempotency-Key": "all"})
        client.delete(f"/v1/tasks/{first.json()['items'][0]['id']}")
        again = batch(client, {"unique_key": "a"}, **{"Idempotency-Key": "all"})
        assert (first.status_code, again.status_code, again.content) == (200, 200, first.content)


class TestReopen:
    @pytest.mark.parametrize("how", ["requeue", "open", "in_progress"])
    def test_a_second_one_is_refused(self, client: httpx.Client, how: str) -> None:
        first = create(client).json()["id"]
        client.patch(f"/v1/tasks/{first}", json={"status": "done"})
        second = create(client).json()["id"]
        path = f"/v1/tasks/{first}"
        response = (
            client.post(f"{path}/requeue")
            if how == "requeue"
            else client.patch(path, json={"status": how, "title": "y"})
        )
        assert (response.status_code, problem(response)) == (409, "unique-key-held")
        assert (read(client, first)["status"], read(client, first)["version"]) == ("done", 2)
        client.delete(f"/v1/tasks/{second}")
        assert client.post(f"{path}/requeue").status_code == 200

    def test_a_change_of_the_key_is_refused(self, client: httpx.Client) -> None:
        held, other = create(client).json()["id"], create(client, unique_key="other").json()["id"]
        for patch in ({"unique_key": "k"}, {"unique_key": "k", "payload": {"a": 1}}, {"unique_key": "k", "title": "y"}):
            response = client.patch(f"/v1/tasks/{other}", json=patch)
            assert (response.status_code, problem(response)) == (409, "unique-key-held")
        assert client.patch(f"/v1/tasks/{held}", json={"unique_key": "k"}).json()["version"] == 1
        assert client.patch(f"/v1/tasks/{held}", json={"unique_key": None}).json()["version"] == 2
        assert client.patch(f"/v1/tasks/{other}", json={"unique_key": "k"}).status_code == 200


def at_once(service: Service, calls: list[tuple[str, Any]]) -> list[httpx.Response]:
    """Return the answers to POSTs that many clients send at the same moment."""
    barrier = threading.Barrier(len(calls))

    def send(call: tuple[str, Any]) -> httpx.Response:
        headers = {"Authorization": f"Bearer {service.key}"}
        with httpx.Client(base_url=service.url, headers=headers, timeout=60, verify=NO_TLS) as own:
            barrier.wait(60)
            return own.post(call[0], json=call[1])

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(send, calls))


def test_of_50_creates_at_once_one_makes_the_task(client: httpx.Client, service: Service) -> None:
    for key in ("first", "second", "third"):
        answers = at_once(service, [("/v1/tasks", {"title": str(n), "unique_key": key}) for n in range(50)])
        assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 49}
        assert len({answer.content for answer in answers}) == 1
    assert len(all_tasks(client)) == 3


def test_batches_at_once_share_their_tasks_and_do_not_deadlock(client: httpx.Client, service: Service) -> None:
    """Each has the keys in another order, and some of its own."""
    keys = [f"k{n}" for n in range(12)]
    calls = [
        (
            "/v1/tasks/batch",
            {"tasks": [{"title": "x", "unique_key": key} for key in [*keys[n:], *keys[:n], f"own {n}"]]},
        )
        for n in range(12)
    ]
    answers = at_once(service, calls)
    assert {answer.status_code for answer in answers} == {201}
    made = Counter(
        task["unique_key"]
        for answer in answers
        for place, task in enumerate(answer.json()["items"])
        if place not in answer.json()["existing"]
    )
    assert made == dict.fromkeys([*keys, *(f"own {n}" for n in range(12))], 1)


def test_creates_beside_ends_never_leave_two(
    client: httpx.Client, service: Service, database: psycopg.Connection
) -> None:
    """Tasks end, reopen and are made at the same time: each answer is a task, and never two of them are unfinished."""
    answers: list[int] = []

    def contend(number: int) -> None:
        headers = {"Authorization": f"Bearer {service.key}"}
        with httpx.Client(base_url=service.url, headers=headers, timeout=60, verify=NO_TLS) as own:
            for _ in range(25):
                response = own.post("/v1/tasks", json={"title": str(number), "unique_key": "k"})
                answers.append(response.status_code)
                path = f"/v1/tasks/{response.json()['id']}"
                answers.append(own.patch(path, json={"status": "done"}).status_code)
                if number % 2:
                    answers.append(own.post(f"{path}/requeue").status_code)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(contend, range(8)))
    assert set(answers) <= {200, 201, 409}, Counter(answers)
    assert {200, 201} <= set(answers)
    unfinished = database.execute("select count(*) from tasks where finished_at is null").fetchone()
    assert unfinished in {(0,), (1,)}


def test_pods_of_the_release_before_make_tasks_without_one(database: psycopg.Connection, client: httpx.Client) -> None:
    database.execute("insert into tasks (title) values ('old'), ('old')")
    assert {task["unique_key"] for task in all_tasks(client)} == {None}
    assert new_task(client)

"""POST /v1/tasks/requeue, cancel and delete: many tasks at once."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.support.leases import Json, expire, history, new_task, read, token_of
from tests.support.service import Service
from tests.support.waiting import eventually, wait_for_claims

ACTIONS = ["requeue", "cancel", "delete"]


def call(client: httpx.Client, action: str, **body: Any) -> Json:
    """Return the outcome; a machine that is very busy may take longer for a statement than the service waits."""

    def attempt() -> httpx.Response | None:
        response = client.post(f"/v1/tasks/{action}", json=body)
        return response if response.status_code != 503 else None

    response: httpx.Response = eventually(attempt)
    assert response.status_code == 200, response.text
    outcome: Json = response.json()
    return outcome


def outcome(changed: int, skipped: int = 0, *, more: bool = False) -> Json:
    return {"changed": changed, "skipped": skipped, "more": more}


def statuses(client: httpx.Client, ids: list[str]) -> list[str | None]:
    return [read(client, task_id).get("status") if exists(client, task_id) else None for task_id in ids]


def exists(client: httpx.Client, task_id: str) -> bool:
    return client.get(f"/v1/tasks/{task_id}").status_code == 200


class TestRequeue:
    def test_it_works(self, client: httpx.Client, database: psycopg.Connection) -> None:
        failed, done, fresh = (new_task(client, status=status) for status in ("failed", "done", "open"))
        held, left = new_task(client), new_task(client)
        token_of(client, held)
        token_of(client, left)
        expire(database, left)
        ids = [held, str(uuid4()), done, left, failed, fresh]
        assert call(client, "requeue", ids=ids, dry_run=True) == outcome(3, 3)
        assert statuses(client, [failed, done, left]) == ["failed", "done", "in_progress"]
        assert call(client, "requeue", ids=ids) == outcome(3, 3)
        assert statuses(client, [failed, done, left, held]) == ["open", "open", "open", "in_progress"]
        assert client.get(f"/v1/tasks/{left}/lease").status_code == 404
        action, version, before, after = history(database, failed)[-1]
        assert (action, version, before["status"], after["status"]) == ("requeued", 2, "failed", "open")
        assert call(client, "requeue", ids=ids) == outcome(0, 6)

    def test_it_leaves_what_the_call_for_one_leaves(self, client: httpx.Client, database: psycopg.Connection) -> None:
        ids = [new_task(client, labels=["a"], run_after="2040-01-01T00:00:00Z") for _ in range(2)]
        for task_id in ids:
            client.patch(f"/v1/tasks/{task_id}", json={"run_after": None}).raise_for_status()
            client.post(f"/v1/tasks/{task_id}/complete", json={"token": token_of(client, task_id), "result": 1})
        client.post(f"/v1/tasks/{ids[0]}/requeue").raise_for_status()
        assert call(client, "requeue", ids=ids[1:]) == outcome(1)
        tasks = [read(client, task_id) for task_id in ids]
        differ = {"id", "created_at", "updated_at"}
        assert [{**task, **dict.fromkeys(differ)} for task in tasks] == [{**tasks[0], **dict.fromkeys(differ)}] * 2
        one, many = ([(*row[:2], set(row[2]), set(row[3])) for row in history(database, each)[1:]] for each in ids)
        assert one == many
        ready = database.execute("select count(*) from ready_labels where label = 'a'").fetchone()
        assert ready == (2,)

    def test_a_unique_key_is_reopened_once(self, client: httpx.Client) -> None:
        """Held by another one it stays; of two with one key the older is reopened."""
        ids = []
        for key in ("a", "a", "a", "b", "b"):
            ids.append(new_task(client, unique_key=key))
            client.patch(f"/v1/tasks/{ids[-1]}", json={"status": "failed"}).raise_for_status()
        holder = new_task(client, unique_key="b")
        assert call(client, "requeue", ids=[*reversed(ids), holder], dry_run=True) == outcome(1, 5)
        assert call(client, "requeue", ids=[*reversed(ids), holder]) == outcome(1, 5)
        assert statuses(client, ids) == ["open", "failed", "failed", "failed", "failed"]
        assert call(client, "requeue", filter={"status": "failed"}) == outcome(0, 4)

    def test_a_claim_that_waits_is_woken(self, client: httpx.Client, service: Service) -> None:
        task_id = new_task(client, labels=["a"], status="failed")
        with ThreadPoolExecutor(1) as pool:
            body = {"worker": "w", "ttl_s": 60, "labels": ["a"]}
            waiting = pool.submit(client.post, "/v1/tasks/claim", json=body, headers={"Prefer": "wait=30"}, timeout=40)
            wait_for_claims(service)
            call(client, "requeue", ids=[task_id])
            assert waiting.result().json()["items"][0]["task"]["id"] == task_id


class TestCancel:
    def test_it_works(self, client: httpx.Client, database: psycopg.Connection) -> None:
        fresh, held, left, done = new_task(client), new_task(client), new_task(client), new_task(client, status="done")
        token = token_of(client, held)
        token_of(client, left)
        expire(database, left)
        ids = [done, left, held, fresh, str(uuid4())]
        assert call(client, "cancel", ids=ids, dry_run=True) == outcome(3, 2)
        assert call(client, "cancel", ids=ids) == outcome(3, 2)
        assert statuses(client, [fresh, left, held, done]) == ["cancelled", "cancelled", "in_progress", "done"]
        assert read(client, fresh)["finished_at"] is not None
        assert client.post(f"/v1/tasks/{held}/pulse", json={"token": token}).json()["cancel_requested"]
        action, _, before, after = history(database, held)[-1]
        assert (action, before, after) == ("updated", {"cancel_requested": False}, {"cancel_requested": True})
        assert call(client, "cancel", ids=ids) == outcome(0, 5)
        client.post(f"/v1/tasks/{held}/release", json={"token": token}).raise_for_status()
        assert read(client, held)["status"] == "cancelled"


class TestDelete:
    def test_it_works(self, client: httpx.Client, database: psycopg.Connection) -> None:
        fresh, held, left = new_task(client, labels=["a"]), new_task(client), new_task(client)
        token_of(client, held)
        token_of(client, left)
        expire(database, left)
        task = read(client, fresh)
        ids = [left, held, fresh, str(uuid4())]
        assert call(client, "delete", ids=ids, dry_run=True) == outcome(2, 2)
        assert call(client, "delete", ids=ids) == outcome(2, 2)
        assert [exists(client, task_id) for task_id in (fresh, left, held)] == [False, False, True]
        action, version, before, after = history(database, fresh)[-1]
        assert (action, version, before, after) == ("deleted", 1, task, None)
        assert call(client, "delete", ids=ids) == outcome(0, 4)


class TestFilter:
    def test_the_oldest_are_changed_up_to_the_limit(self, client: httpx.Client) -> None:
        failed = [new_task(client, status="failed", labels=["a"]) for _ in range(5)]
        other = new_task(client, status="failed", labels=["b"])
        chosen = {"filter": {"label": "a", "status": ["failed", "done"]}, "limit": 2}
        assert call(client, "requeue", **chosen, dry_run=True) == outcome(2, more=True)
        assert call(client, "requeue", **chosen) == outcome(2, more=True)
        assert statuses(client, [*failed, other]) == ["open", "open", "failed", "failed", "failed", "failed"]
        assert call(client, "requeue", **chosen) == outcome(2, more=True)
        assert call(client, "requeue", **chosen) == outcome(1)
        assert call(client, "requeue", **chosen) == outcome(0)

    def test_what_cannot_change_does_not_use_up_the_limit(self, client: httpx.Client) -> None:
        """Else a client that calls while there are more would never end."""
        held = [new_task(client) for _ in range(3)]
        for task_id in held:
            token_of(client, task_id)
        others = [new_task(client) for _ in range(4)]
        chosen = {"filter": {"lease": "none", "ready": True}, "limit": 3}
        assert call(client, "delete", filter={"status": ["open", "in_progress"]}, limit=3) == outcome(3, more=True)
        assert call(client, "delete", filter={"status": ["open", "in_progress"]}, limit=3) == outcome(1, 2)
        assert call(client, "delete", **chosen) == outcome(0)
        assert [exists(client, task_id) for task_id in (*held, *others)] == [True] * 3 + [False] * 4

    @pytest.mark.parametrize(
        "chosen",
        [
            {"status": "open"},
            {"priority": ["urgent", "high"]},
            {"assignee": "alice"},
            {"label": ["x", "b"]},
            {"due_before": "2031-01-01T00:00:00+01:00"},
            {"due_after": "2029-01-01T00:00:00Z"},
            {"created_after": "2020-01-01T00:00:00Z", "created_before": "2100-01-01T00:00:00Z"},
            {"updated_after": "2020-01-01T00:00:00Z", "priority": "high"},
            {"run_after_before": "2051-01-01T00:00:00Z"},
            {"run_after_after": "2049-01-01T00:00:00Z"},
            {"ready": False},
            {"overdue": False, "ready": True},
            {"lease": "none"},
            {"q": "paper -scissors"},
        ],
    )
    def test_it_chooses_what_the_list_shows(self, client: httpx.Client, chosen: Json) -> None:
        new_task(
            client, title="paper", priority="high", assignee="alice", labels=["a", "b"], due_at="2030-01-01T00:00:00Z"
        )
        new_task(client, title="scissors and paper", run_after="2050-01-01T00:00:00Z", due_at="2020-01-01T00:00:00Z")
        new_task(client, title="stone", status="done")
        token_of(client, new_task(client, title="held"))
        listed = client.get("/v1/tasks", params=chosen).json()["items"]
        free = [task for task in listed if task["status"] != "in_progress"]
        assert free
        assert call(client, "delete", filter=chosen) == outcome(len(free), len(listed) - len(free))
        left = client.get("/v1/tasks", params=chosen).json()["items"]
        assert [task["id"] for task in left] == [task["id"] for task in listed if task["status"] == "in_progress"]

    def test_a_text_of_minus_signs_is_refused(self, client: httpx.Client) -> None:
        response = client.post("/v1/tasks/delete", json={"filter": {"q": "-" * 400 + "x"}})
        listed = client.get("/v1/tasks", params={"q": "-" * 400 + "x"})
        assert response.status_code == listed.status_code
        if response.is_error:
            assert [error["pointer"] for error in response.json()["errors"]] == ["#/filter/q"]


@pytest.mark.parametrize("action", ACTIONS)
class TestBody:
    def test_bad_bodies_are_named(self, client: httpx.Client, action: str) -> None:
        task_id = new_task(client, status="failed")
        bodies: list[tuple[Json, str, str]] = [
            ({}, "#", "needs either ids or filter"),
            ({"ids": [task_id], "filter": {"status": "failed"}}, "#", "needs either ids or filter"),
            ({"ids": []}, "#/ids", "length"),
            ({"ids": ["x"]}, "#/ids/0", "uuid"),
            ({"ids": [task_id, str(uuid4()), task_id]}, "#/ids/2", f"the task {task_id} stands at #/ids/0 already"),
            ({"ids": [str(uuid4()) for _ in range(1001)]}, "#/ids", "1000"),
            ({"filter": {}}, "#/filter", "needs at least one of status, priority"),
            ({"filter": {"status": []}}, "#/filter/status", "length"),
            ({"filter": {"status": "finished"}}, "#/filter/status", "finished"),
            ({"filter": {"stauts": "failed"}}, "#/filter/stauts", "is not a field here"),
            ({"filter": {"due_before": "tomorrow"}}, "#/filter/due_before", "RFC"),
            ({"filter": {"due_before": "0001-01-01T00:00:00+10:00"}}, "#/filter/due_before", "outside the years"),
            ({"filter": {"status": "failed"}, "limit": 0}, "#/limit", "1"),
            ({"filter": {"status": "failed"}, "limit": 1001}, "#/limit", "1000"),
            ({"ids": [task_id], "dry_run": "yes"}, "#/dry_run", "bool"),
        ]
        for body, pointer, text in bodies:
            response = client.post(f"/v1/tasks/{action}", json=body)
            assert response.status_code == 400, body
            [error] = response.json()["errors"]
            assert error["pointer"] == pointer
            assert text.lower() in error["detail"].lower()
        assert read(client, task_id)["version"] == 1

    def test_a_limit_holds_for_ids_too(self, client: httpx.Client, action: str) -> None:
        status = "open" if action == "cancel" else "failed"
        ids = [new_task(client, status=status) for _ in range(3)]
        assert call(client, action, ids=ids, limit=2, dry_run=True) == outcome(2, more=True)
        assert call(client, action, ids=ids, limit=2) == outcome(2, more=True)
        assert read(client, ids[2])["version"] == 1

    def test_the_same_key_again_gives_the_same_answer(self, client: httpx.Client, action: str) -> None:
        body = {"ids": [new_task(client, status="open" if action == "cancel" else "failed")]}
        headers = {"Idempotency-Key": str(uuid4())}
        first = client.post(f"/v1/tasks/{action}", json=body, headers=headers)
        again = client.post(f"/v1/tasks/{action}", json=body, headers=headers)
        assert first.json() == again.json() == outcome(1)
        assert again.headers["idempotency-replayed"] == "true"

    def test_a_thousand_at_once(self, client: httpx.Client, database: psycopg.Connection, action: str) -> None:
        status = "open" if action == "cancel" else "failed"
        database.execute(
            "insert into tasks (title, labels, status, finished_at, unique_key)"
            " select 'x', '{a}', %(status)s::text::task_status, case when %(status)s::text <> 'open' then now() end,"
            " 'key ' || n"
            " from generate_series(1, 1000) as n",
            {"status": status},
        )
        assert call(client, action, filter={"label": "a"}, dry_run=True) == outcome(1000)
        assert call(client, action, filter={"label": "a"}) == outcome(1000)


def test_a_claim_that_has_the_task_is_waited_for(
    client: httpx.Client, service: Service, database: psycopg.Connection
) -> None:
    """It is looked at again under the lock: by then a worker holds it."""
    task_id = new_task(client)
    with psycopg.connect(service.conninfo) as other, ThreadPoolExecutor(1) as pool:
        other.execute("select from tasks where id = %s for update", [task_id])
        deleting = pool.submit(call, client, "delete", ids=[task_id])
        wait_for_lock(database)
        other.execute(
            "insert into leases (task_id, fence, attempt, ttl_s, worker, expires_at)"
            " values (%s, 1, 1, 60, 'w', now() + interval '1 minute')",
            [task_id],
        )
        other.execute("update tasks set status = 'in_progress', fence = 1, version = 2 where id = %s", [task_id])
        other.commit()
        assert deleting.result() == outcome(0, 1)


def test_a_change_that_ends_the_match_is_waited_for(
    client: httpx.Client, service: Service, database: psycopg.Connection
) -> None:
    task_id = new_task(client, status="failed", labels=["a"])
    with psycopg.connect(service.conninfo) as other, ThreadPoolExecutor(1) as pool:
        other.execute("update tasks set labels = '{b}', version = 2 where id = %s", [task_id])
        requeueing = pool.submit(call, client, "requeue", filter={"label": "a"})
        wait_for_lock(database)
        other.commit()
        assert requeueing.result() == outcome(0, 1)
    assert read(client, task_id)["status"] == "failed"


def test_a_key_that_is_taken_meanwhile_is_skipped(
    client: httpx.Client, service: Service, database: psycopg.Connection
) -> None:
    ids = [new_task(client, status="failed", unique_key=key) for key in ("a", "b")]
    with psycopg.connect(service.conninfo) as other, ThreadPoolExecutor(1) as pool:
        other.execute("insert into tasks (title, unique_key) values ('x', 'a')")
        requeueing = pool.submit(call, client, "requeue", ids=ids)
        wait_for_lock(database)
        other.commit()
        assert requeueing.result() == outcome(1, 1)
    assert statuses(client, ids) == ["failed", "open"]


def wait_for_lock(database: psycopg.Connection) -> None:
    """Return once a statement of the service waits for a lock."""
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'taskpulse'"
    eventually(lambda: database.execute(waiting).fetchone() == (1,))

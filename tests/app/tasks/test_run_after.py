"""Tasks that wait: `run_after`, `claimable_at`, and who can claim them when."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.leases import Json, claim, expire, new_task, problem, read, token_of
from tests.support.service import Service
from tests.support.waiting import eventually, wait_for_claims

LONG = timedelta(hours=1)


def later(span: timedelta = LONG) -> str:
    """Return a time from now, as the API writes it."""
    return f"{datetime.now(UTC) + span:%Y-%m-%dT%H:%M:%S.%fZ}"


def claim_any(client: httpx.Client, wait: int | None = None, **fields: Any) -> httpx.Response:
    headers = {} if wait is None else {"Prefer": f"wait={wait}"}
    return client.post("/v1/tasks/claim", json={"worker": "w", "ttl_s": 60} | fields, headers=headers, timeout=40)


def claim_one(client: httpx.Client, task_id: str) -> httpx.Response:
    return client.post(f"/v1/tasks/{task_id}/claim", json={"worker": "w", "ttl_s": 60})


def patch(client: httpx.Client, task_id: str, **fields: Any) -> httpx.Response:
    return client.patch(f"/v1/tasks/{task_id}", json=fields)


def listed(client: httpx.Client, query: str) -> set[str]:
    return {task["title"] for task in client.get(f"/v1/tasks?{query}").json()["items"]}


def over(database: psycopg.Connection, task_id: str, ago_s: int = 1) -> None:
    """Let the wait of a task be over, as if time had passed."""
    moved = ", ".join(
        f"{name} = {name} - moved.by"
        for name in ("created_at", "updated_at", "run_after", "rests_until", "claimable_at")
    )
    changed = database.execute(
        f"update tasks set {moved}"  # noqa: S608 - names of columns
        " from (select greatest(run_after, rests_until) - now() + %s * interval '1 second' from tasks where id = %s)"
        " as moved (by) where id = %s".encode(),
        [ago_s, task_id, task_id],
    )
    assert changed.rowcount == 1


def test_it_works(client: httpx.Client) -> None:
    when = later(timedelta(seconds=1.5))
    task_id = new_task(client, run_after=when)
    task = read(client, task_id)
    assert (task["run_after"], task["claimable_at"], task["status"]) == (when, when, "open")
    assert claim_any(client).status_code == 204
    [item] = claim_any(client, wait=30).json()["items"]
    assert (item["task"]["id"], item["task"]["run_after"], item["task"]["claimable_at"]) == (task_id, when, None)
    assert item["task"]["updated_at"] > when


def test_a_claim_by_id_says_how_long_the_task_waits(client: httpx.Client) -> None:
    response = claim_one(client, new_task(client, run_after=later()))
    assert (response.status_code, problem(response)) == (409, "task-not-ready")
    assert 3590 <= int(response.headers["retry-after"]) <= 3600


def test_a_wait_of_thousands_of_years_is_one_too(client: httpx.Client) -> None:
    response = claim_one(client, new_task(client, run_after="9999-12-31T23:59:59Z"))
    assert (response.status_code, problem(response)) == (409, "task-not-ready")
    assert int(response.headers["retry-after"]) > 2**31


@pytest.mark.parametrize("run_after", [None, "2020-01-01T00:00:00Z"])
def test_a_time_that_is_past_is_now(client: httpx.Client, run_after: str | None) -> None:
    task_id = new_task(client, run_after=run_after)
    assert read(client, task_id)["claimable_at"] is None
    assert claim_one(client, task_id).status_code == 200


def test_the_body_of_an_entity_tag_never_differs(client: httpx.Client, database: psycopg.Connection) -> None:
    task_id = new_task(client, run_after=later(timedelta(seconds=0.5)))
    waiting = client.get(f"/v1/tasks/{task_id}")
    eventually(lambda: database.execute("select from tasks where claimable_at is null").fetchall())
    ready = client.get(f"/v1/tasks/{task_id}")
    assert (ready.headers["etag"], ready.json()) == (waiting.headers["etag"], waiting.json())
    assert ready.json()["claimable_at"] == ready.json()["run_after"]
    changed = patch(client, task_id, title="Changed").json()
    assert (changed["claimable_at"], changed["run_after"]) == (None, ready.json()["run_after"])
    [*_, change] = client.get(f"/v1/tasks/{task_id}/history").json()["items"]
    assert change["before"] == {"title": "Work", "claimable_at": ready.json()["claimable_at"]}
    assert change["after"] == {"title": "Changed", "claimable_at": None}


class TestPatch:
    def test_it_moves_the_time(self, client: httpx.Client) -> None:
        task_id = new_task(client)
        for when in (later(), later(2 * LONG)):
            task = patch(client, task_id, run_after=when).json()
            assert (task["run_after"], task["claimable_at"]) == (when, when)
            assert claim_any(client).status_code == 204
        [*_, change] = client.get(f"/v1/tasks/{task_id}/history").json()["items"]
        assert change["after"] == {"run_after": when, "claimable_at": when}
        task = patch(client, task_id, run_after=None).json()
        assert (task["run_after"], task["claimable_at"]) == (None, None)
        assert claim_any(client).status_code == 200

    def test_what_it_lets_begin_wakes_a_waiting_claim(self, client: httpx.Client, service: Service) -> None:
        task_id = new_task(client, run_after=later())
        assert woken(service, client, lambda: patch(client, task_id, run_after=None)).status_code == 200

    def test_a_held_task_keeps_it(self, client: httpx.Client) -> None:
        task_id = new_task(client)
        claim(client, task_id)
        response = patch(client, task_id, run_after=later())
        assert (response.status_code, problem(response)) == (409, "task-claimed")
        assert patch(client, task_id, run_after=None).json()["version"] == 2, "nothing differs"

    @pytest.mark.parametrize("status", ["done", "cancelled", "failed"])
    def test_a_finished_task_keeps_it(self, client: httpx.Client, status: str) -> None:
        task_id = new_task(client, status=status)
        for more in ({}, {"status": "done"}, {"title": "Other"}):
            response = patch(client, task_id, run_after=later(), **more)
            assert (response.status_code, problem(response)) == (409, "task-finished")
        task = patch(client, task_id, run_after=later(), status="open").json()
        assert task["claimable_at"] == task["run_after"] > task["updated_at"]
        assert problem(claim_one(client, task_id)) == "task-not-ready"

    def test_if_match_comes_first(self, client: httpx.Client) -> None:
        path = f"/v1/tasks/{new_task(client, status='done')}"
        response = client.patch(path, json={"run_after": later()}, headers={"If-Match": '"7"'})
        assert response.status_code == 412

    def test_it_does_not_end_a_pause_after_a_failure(self, client: httpx.Client) -> None:
        task_id = new_task(client)
        failed = fail(client, task_id, token_of(client, task_id), retry_in_s=3600)
        assert (
            patch(client, task_id, run_after=later(timedelta(minutes=1))).json()["claimable_at"]
            == failed["claimable_at"]
        )
        longer = later(2 * LONG)
        assert patch(client, task_id, run_after=longer).json()["claimable_at"] == longer
        assert patch(client, task_id, run_after=None).json()["claimable_at"] == failed["claimable_at"]
        assert claim_any(client).status_code == 204


def fail(client: httpx.Client, task_id: str, token: str, **fields: Any) -> Json:
    response = client.post(f"/v1/tasks/{task_id}/fail", json={"token": token, "error": "paper"} | fields)
    assert response.status_code == 200, response.text
    task: Json = response.json()
    return task


def woken(service: Service, client: httpx.Client, change: Callable[[], object]) -> httpx.Response:
    """Return what a claim got that had waited when `change` was made."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(claim_any, client, 30)
        wait_for_claims(service)
        assert not waiting.done()
        change()
        return waiting.result()


def test_a_pause_is_shown(client: httpx.Client) -> None:
    task_id = new_task(client)
    task = fail(client, task_id, token_of(client, task_id), retry_in_s=60)
    pause = datetime.fromisoformat(task["claimable_at"]) - datetime.fromisoformat(task["updated_at"])
    assert (pause, task["run_after"]) == (timedelta(seconds=60), None)
    task = client.post(f"/v1/tasks/{task_id}/requeue").json()
    assert (task["claimable_at"], task["attempts"]) == (None, 0)


def test_a_release_keeps_it_and_a_requeue_clears_it(client: httpx.Client, database: psycopg.Connection) -> None:
    task_id = new_task(client, run_after=later())
    over(database, task_id)
    when = read(client, task_id)["run_after"]
    released = client.post(f"/v1/tasks/{task_id}/release", json={"token": token_of(client, task_id)}).json()
    assert (released["run_after"], released["claimable_at"]) == (when, None)
    requeued = client.post(f"/v1/tasks/{task_id}/requeue").json()
    assert (requeued["run_after"], requeued["claimable_at"]) == (None, None)
    patch(client, task_id, run_after=later())
    assert client.post(f"/v1/tasks/{task_id}/requeue").json()["run_after"] is None
    assert claim_any(client).status_code == 200


def test_those_whose_wait_is_over_come_in_the_usual_order(client: httpx.Client, database: psycopg.Connection) -> None:
    """Also in the second before a sweep has seen that it is over."""
    waited = {title: new_task(client, title=title, priority=title, run_after=later()) for title in ("low", "urgent")}
    new_task(client, title="normal")
    new_task(client, title="high", priority="high")
    for task_id in waited.values():
        over(database, task_id)
    items = claim_any(client, limit=4).json()["items"]
    assert [item["task"]["title"] for item in items] == ["urgent", "high", "normal", "low"]


def test_labels_select_among_those_whose_wait_is_over(client: httpx.Client, database: psycopg.Connection) -> None:
    for label in ("a", "b"):
        over(database, new_task(client, title=label, labels=[label], run_after=later()))
    items = claim_any(client, limit=4, labels=["b"]).json()["items"]
    assert [item["task"]["title"] for item in items] == ["b"]


def test_lists_filter_by_it(client: httpx.Client, database: psycopg.Connection) -> None:
    soon, late = later(LONG), later(3 * LONG)
    between = later(2 * LONG)
    new_task(client, title="soon", run_after=soon)
    new_task(client, title="late", run_after=late)
    new_task(client, title="now")
    assert listed(client, f"run_after_before={between}") == {"soon"}
    assert listed(client, f"run_after_after={between}") == {"late"}
    assert listed(client, f"run_after_after={soon}&run_after_before={late}") == set()


def test_ready_lists_what_can_be_claimed(client: httpx.Client, database: psycopg.Connection) -> None:
    new_task(client, title="open")
    new_task(client, title="scheduled", run_after=later())
    over(database, new_task(client, title="waited", run_after=later()))
    new_task(client, title="done", status="done")
    new_task(client, title="by hand", status="in_progress")
    claim(client, new_task(client, title="held"))
    for title, fields in (("expired", {}), ("exhausted", {"max_attempts": 1}), ("cancelling", {})):
        task_id = new_task(client, title=title, **fields)
        claim(client, task_id, ttl_s=600)
        if title == "cancelling":
            patch(client, task_id, status="cancelled")
        else:
            expire(database, task_id)
    paused = new_task(client, title="paused")
    fail(client, paused, token_of(client, paused), retry_in_s=60)
    ready, others = listed(client, "ready=true"), listed(client, "ready=false")
    assert ready == {"open", "waited", "expired"}
    assert others == {"scheduled", "done", "by hand", "held", "exhausted", "cancelling", "paused"}
    items = claim_any(client, limit=100).json()["items"]
    assert {item["task"]["title"] for item in items} == ready
    assert listed(client, "ready=true") == set()


def test_pods_of_the_release_before_live_with_it(client: httpx.Client, database: psycopg.Connection) -> None:
    """They keep a pause in the column claimable_at alone."""
    task_id = new_task(client)
    database.execute("update tasks set claimable_at = now() + interval '1 hour', version = 2 where id = %s", [task_id])
    assert problem(claim_one(client, task_id)) == "task-claimed"
    assert claim_any(client).status_code == 204
    database.execute("update tasks set claimable_at = now() where id = %s", [task_id])
    assert claim_any(client).status_code == 200

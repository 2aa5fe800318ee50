"""`retry`: the wait after an attempt that failed or expired."""

import hashlib
import math
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.dev.postgres import EmbeddedPostgres
from tests.support.leases import Json, claim, expire, history, new_task, problem, read, token_of
from tests.support.service import Service, fresh_database
from tests.support.waiting import eventually

DEFAULTS = {"backoff_s": 10, "factor": 2, "max_s": 3600}


def call(client: httpx.Client, task_id: str, name: str, **body: Any) -> httpx.Response:
    return client.post(f"/v1/tasks/{task_id}/{name}", json=body)


def claim_any(client: httpx.Client, wait: int = 0) -> httpx.Response:
    headers = {"Prefer": f"wait={wait}"} if wait else {}
    return client.post("/v1/tasks/claim", json={"worker": "w", "ttl_s": 60}, headers=headers, timeout=40)


def fail(client: httpx.Client, task_id: str, **fields: Any) -> Json:
    response = call(client, task_id, "fail", token=token_of(client, task_id), error="paper", **fields)
    assert response.status_code == 200, response.text
    task: Json = response.json()
    return task


def wait_of(task: Json, since: str | None = None) -> float:
    """Return for how many seconds a task waits after a moment, at first that of its last change."""
    start = datetime.fromisoformat(since or task["updated_at"])
    return (datetime.fromisoformat(task["claimable_at"]) - start).total_seconds()


def expected(retry: dict[str, Any], task_id: str, attempt: int) -> float:
    """Return the wait that the contract says, with the tenth that this task has for this attempt."""
    huge = (attempt - 1) * math.log(retry["factor"]) > 100
    growth = 1e40 if huge else float(retry["factor"]) ** (attempt - 1)
    share = int(hashlib.md5(f"{task_id} {attempt}".encode()).hexdigest()[:8], 16) / 0xFFFFFFFF  # noqa: S324
    wait: float = min(retry["max_s"], retry["backoff_s"] * growth)
    return wait * (0.9 + 0.2 * share)


def let_pause_end(database: psycopg.Connection, task_id: str) -> None:
    database.execute("update tasks set claimable_at = now(), rests_until = now() where id = %s", [task_id])


def test_it_works(client: httpx.Client, database: psycopg.Connection) -> None:
    task_id = new_task(client, retry={"backoff_s": 10, "max_s": 25}, max_attempts=10)
    waits = []
    for _ in range(4):
        task = fail(client, task_id)
        waits.append(wait_of(task))
        assert claim_any(client).status_code == 204
        response = call(client, task_id, "claim", worker="w", ttl_s=9)
        assert (response.status_code, problem(response)) == (409, "task-not-ready")
        assert waits[-1] - 5 < int(response.headers["retry-after"]) <= waits[-1] + 1
        let_pause_end(database, task_id)
    for got, middle in zip(waits, (10, 20, 25, 25), strict=True):
        assert middle * 0.9 <= got <= middle * 1.1
    assert len({round(wait, 3) for wait in waits}) == 4, "each attempt has a tenth of its own"


def test_without_it_there_is_no_wait(client: httpx.Client) -> None:
    task_id = new_task(client)
    assert read(client, task_id)["retry"] is None
    assert fail(client, task_id)["claimable_at"] is None
    assert claim_any(client).status_code == 200


@pytest.mark.parametrize(("retry_in_s", "wait"), [(0, None), (600, 600)])
def test_retry_in_s_comes_first(client: httpx.Client, retry_in_s: int, wait: int | None) -> None:
    task = fail(client, new_task(client, retry={"backoff_s": 100}), retry_in_s=retry_in_s)
    assert (wait_of(task) if task["claimable_at"] else None) == wait


def test_the_last_attempt_waits_for_nothing(client: httpx.Client) -> None:
    task = fail(client, new_task(client, retry={}, max_attempts=1))
    assert (task["status"], task["claimable_at"]) == ("failed", None)


def test_a_wait_ends_by_itself(client: httpx.Client) -> None:
    task_id = new_task(client, retry={"backoff_s": 1})
    fail(client, task_id)
    [item] = claim_any(client, wait=30).json()["items"]
    assert (item["task"]["claimable_at"], item["lease"]["attempt"]) == (None, 2)


@pytest.mark.parametrize("end", ["requeue", "release"])
def test_a_requeue_and_a_release_end_it(client: httpx.Client, database: psycopg.Connection, end: str) -> None:
    task_id = new_task(client, retry={"backoff_s": 600})
    if end == "requeue":
        fail(client, task_id)
        task = client.post(f"/v1/tasks/{task_id}/requeue").json()
    else:
        token = token_of(client, task_id)
        expire(database, task_id)
        eventually(lambda: read(client, task_id)["claimable_at"])
        task = call(client, task_id, "release", token=token).json()
    assert (task["attempts"], task["claimable_at"]) == (0, None)
    assert claim_any(client).status_code == 200


class TestExpiry:
    def test_the_wait_counts_from_the_expiry(self, client: httpx.Client, database: psycopg.Connection) -> None:
        task_id = new_task(client, retry={"backoff_s": 600})
        token_of(client, task_id)
        expire(database, task_id)
        for response in (claim_any(client), call(client, task_id, "claim", worker="w", ttl_s=9)):
            assert response.status_code in {204, 409}, "also before the sweep has come by"
        task = eventually(lambda: claimable(read(client, task_id)))
        lease = client.get(f"/v1/tasks/{task_id}/lease").json()
        assert (task["status"], task["attempts"], lease["state"]) == ("in_progress", 1, "expired")
        assert wait_of(task, lease["expires_at"]) == pytest.approx(expected(DEFAULTS | {"backoff_s": 600}, task_id, 1))
        response = call(client, task_id, "claim", worker="w", ttl_s=9)
        assert (response.status_code, problem(response)) == (409, "task-not-ready")
        assert 530 < int(response.headers["retry-after"]) <= 661
        assert client.get("/v1/tasks?ready=true").json()["items"] == []
        action, _, before, after = history(database, task_id)[-1]
        assert (action, before["claimable_at"], after["claimable_at"]) == ("expired", None, task["claimable_at"])

    def test_when_it_is_over_anybody_can_claim(self, client: httpx.Client, database: psycopg.Connection) -> None:
        task_id = new_task(client, retry={"backoff_s": 600})
        token_of(client, task_id)
        expire(database, task_id, seconds_ago=599)  # the tenth decides whether it is over
        eventually(lambda: read(client, task_id)["attempts"])
        expire(database, task_id, seconds_ago=661)
        [item] = claim_any(client, wait=30).json()["items"]
        assert (item["lease"]["attempt"], item["task"]["claimable_at"]) == (2, None)

    def test_a_wait_ends_by_itself(self, client: httpx.Client) -> None:
        task_id = new_task(client, retry={"backoff_s": 1})
        claim(client, task_id, ttl_s=1)
        [item] = claim_any(client, wait=30).json()["items"]
        assert (item["task"]["id"], item["lease"]["attempt"]) == (task_id, 2)

    @pytest.mark.parametrize("late", ["pulse", "complete", "fail"])
    def test_a_late_worker_still_counts(self, client: httpx.Client, database: psycopg.Connection, late: str) -> None:
        task_id = new_task(client, retry={"backoff_s": 600})
        token = token_of(client, task_id)
        expire(database, task_id)
        waiting = eventually(lambda: claimable(read(client, task_id)))
        more = {"error": "paper"} if late == "fail" else {}
        assert call(client, task_id, late, token=token, **more).status_code == 200
        task = read(client, task_id)
        if late == "pulse":
            assert task == waiting, "a pulse changes nothing that an entity tag covers"
            assert problem(call(client, task_id, "claim", worker="w", ttl_s=9)) == "task-claimed"
            assert call(client, task_id, "complete", token=token).json()["status"] == "done"
        elif late == "complete":
            assert (task["status"], task["claimable_at"]) == ("done", None)
        else:
            assert (task["status"], task["attempts"]) == ("open", 1)
            assert task["claimable_at"] > waiting["claimable_at"]

    def test_a_second_expiry_of_one_lease_waits_anew(self, client: httpx.Client, database: psycopg.Connection) -> None:
        task_id = new_task(client, retry={"backoff_s": 600})
        token = token_of(client, task_id)
        expire(database, task_id, seconds_ago=300)
        first = eventually(lambda: claimable(read(client, task_id)))
        assert call(client, task_id, "pulse", token=token).status_code == 200
        expire(database, task_id)
        second = eventually(lambda: changed(first, read(client, task_id)))
        assert 295 < wait_of(second, first["claimable_at"]) < 400
        assert (second["attempts"], second["version"]) == (1, first["version"] + 1)

    def test_a_task_to_be_cancelled_does_not_wait(self, client: httpx.Client, database: psycopg.Connection) -> None:
        task_id = new_task(client, retry={"backoff_s": 600})
        token_of(client, task_id)
        client.patch(f"/v1/tasks/{task_id}", json={"status": "cancelled"})
        expire(database, task_id)
        assert eventually(lambda: read(client, task_id)["status"] == "cancelled")


def claimable(task: Json) -> Json | None:
    return task if task["claimable_at"] else None


def changed(before: Json, task: Json) -> Json | None:
    return task if task["version"] > before["version"] else None


class TestPatch:
    def merged(self, client: httpx.Client, retry: Any, patch: Any) -> tuple[Any, int]:
        path = f"/v1/tasks/{new_task(client, retry=retry)}"
        response = client.patch(path, json={"retry": patch})
        assert response.status_code == 200, response.text
        assert response.json() == client.get(path).json()
        return response.json()["retry"], response.json()["version"]

    @pytest.mark.parametrize(
        ("retry", "patch", "merged"),
        [
            ({"factor": 3}, {"backoff_s": 5}, {"backoff_s": 5, "factor": 3, "max_s": 3600}),
            ({"factor": 3}, {"factor": None}, DEFAULTS),
            ({"factor": 3}, {"factor": None, "max_s": 7}, DEFAULTS | {"max_s": 7}),
            ({"factor": 3}, None, None),
            (None, {"max_s": 60}, DEFAULTS | {"max_s": 60}),
            (None, {"max_s": 60, "factor": None}, DEFAULTS | {"max_s": 60}),
        ],
    )
    def test_it_merges(self, client: httpx.Client, retry: Any, patch: Any, merged: Any) -> None:
        assert self.merged(client, retry, patch) == (merged, 2)

    @pytest.mark.parametrize(
        ("retry", "patch"),
        [
            ({"factor": 3}, {}),
            (None, {}),
            (None, None),
            ({}, {"factor": 2}),
            ({}, {"max_s": None}),
            (None, {"factor": None}),
        ],
    )
    def test_what_differs_in_nothing_changes_nothing(self, client: httpx.Client, retry: Any, patch: Any) -> None:
        assert self.merged(client, retry, patch) == (None if retry is None else DEFAULTS | retry, 1)

    def test_an_empty_object_has_the_defaults_in_a_new_task(self, client: httpx.Client) -> None:
        assert read(client, new_task(client, retry={}))["retry"] == DEFAULTS
        [task] = client.post("/v1/tasks/batch", json={"tasks": [{"title": "x", "retry": {}}]}).json()["items"]
        assert task["retry"] == DEFAULTS


retries = st.fixed_dictionaries(
    {
        "backoff_s": st.integers(0, 86_400),
        "factor": st.one_of(st.just(1), st.just(10), st.floats(1, 10, allow_nan=False)),
        "max_s": st.integers(0, 31_536_000),
    }
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(retry=retries, attempt=st.one_of(st.integers(1, 12), st.integers(1, 999)))
def test_the_wait_is_what_the_contract_says(
    client: httpx.Client, database: psycopg.Connection, retry: dict[str, Any], attempt: int
) -> None:
    """For any retry and any attempt; the same whether the attempt fails or expires, and at every look."""
    task_id = new_task(client, retry=retry, max_attempts=1000)
    database.execute("update tasks set attempts = %s where id = %s", [attempt - 1, task_id])
    wait = expected(retry, task_id, attempt)
    task = fail(client, task_id)
    got = wait_of(task) if task["claimable_at"] else 0.0
    assert got == pytest.approx(wait, rel=1e-6, abs=1e-5)
    assert read(client, task_id) == task


def test_a_restart_of_service_and_database_ends_no_wait(tmp_path: Path) -> None:
    with (
        EmbeddedPostgres(tmp_path / "postgres", {"fsync": "off"}) as postgres,
        Service(fresh_database(postgres), tmp_path / "log") as service,
        httpx.Client(base_url=service.url, timeout=60) as client,
    ):
        client.headers["Authorization"] = f"Bearer {service.key}"
        failed = fail(client, new_task(client, retry={"backoff_s": 600}))
        scheduled = read(
            client, new_task(client, run_after=f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}")
        )
        service.stop(signal.SIGKILL)
        postgres.stop(signal.SIGQUIT)
        postgres.start()
        service.start()
        for task in (failed, scheduled):
            assert read(client, task["id"]) == task
        assert claim_any(client).status_code == 204

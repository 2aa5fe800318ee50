"""POST /v1/tasks/claim."""

import http.client
import json
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from app.dev.postgres import EmbeddedPostgres
from tests.support.leases import claim, expire, new_task, read
from tests.support.service import Service, fresh_database
from tests.support.waiting import eventually, logged_statements, wait_for_claims


def claim_any(client: httpx.Client, wait: int | None = None, **fields: Any) -> httpx.Response:
    headers = {} if wait is None else {"Prefer": f"wait={wait}"}
    return client.post("/v1/tasks/claim", json={"worker": "w", "ttl_s": 60} | fields, headers=headers, timeout=40)


def claim_woken_by(
    service: Service, client: httpx.Client, change: Callable[[], object], **fields: Any
) -> httpx.Response:
    """Return what a claim got that had waited when `change` was made."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(claim_any, client, 30, **fields)
        wait_for_claims(service)
        assert not waiting.done()
        change()
        return waiting.result()


def titles(response: httpx.Response) -> list[str]:
    return [item["task"]["title"] for item in response.json()["items"]]


def test_it_works(client: httpx.Client) -> None:
    task_id = new_task(client)
    response = claim_any(client)
    assert response.status_code == 200
    [item] = response.json()["items"]
    assert item["task"] == read(client, task_id)
    assert item["lease"]["fence"] == 1
    assert claim_any(client).status_code == 204


def test_the_most_urgent_come_first(client: httpx.Client) -> None:
    new_task(client, title="normal, created first")
    new_task(client, title="normal, due later", due_at="2031-01-02T00:00:00Z")
    new_task(client, title="normal, due first", due_at="2031-01-01T00:00:00Z")
    new_task(client, title="low", priority="low", due_at="2020-01-01T00:00:00Z")
    new_task(client, title="urgent", priority="urgent")
    assert titles(claim_any(client, limit=2)) == ["urgent", "normal, due first"]
    assert titles(claim_any(client, limit=100)) == ["normal, due later", "normal, created first", "low"]


def test_expired_leases_take_part_in_the_order(client: httpx.Client, database: psycopg.Connection) -> None:
    quiet = new_task(client, title="quiet", priority="high")
    claim(client, quiet)
    new_task(client, title="urgent", priority="urgent")
    new_task(client, title="normal")
    expire(database, quiet)
    assert titles(claim_any(client, limit=3)) == ["urgent", "quiet", "normal"]


def test_any_of_the_labels_will_do(client: httpx.Client) -> None:
    new_task(client, title="a", labels=["a"])
    new_task(client, title="bc", labels=["b", "c"])
    new_task(client, title="none")
    assert titles(claim_any(client, labels=["c", "d"], limit=9)) == ["bc"]
    assert titles(claim_any(client, labels=[], limit=9)) == ["a", "none"]


@pytest.mark.parametrize("limit", [0, 101])
def test_the_limit_has_limits(client: httpx.Client, limit: int) -> None:
    response = claim_any(client, limit=limit)
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "#/limit"


def test_a_label_stands_once(client: httpx.Client) -> None:
    response = claim_any(client, labels=["a", "b", "a"])
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "#/labels/2"


def test_two_workers_never_get_one_task(client: httpx.Client, service: Service) -> None:
    client.post("/v1/tasks/batch", json={"tasks": [{"title": str(number)} for number in range(300)]})

    def work() -> list[str]:
        got: list[str] = []
        with httpx.Client(base_url=service.url, headers=client.headers) as mine:
            while (response := claim_any(mine, limit=3)).status_code == 200:
                got += titles(response)
        return got

    with ThreadPoolExecutor(8) as pool:
        got = [title for worker in [pool.submit(work) for _ in range(8)] for title in worker.result()]
    assert sorted(got, key=int) == [str(number) for number in range(300)]


def test_an_empty_answer_is_not_kept_and_a_full_one_is(client: httpx.Client) -> None:
    headers = {"Idempotency-Key": f"claim {time.time()}".replace(" ", "-")}
    body = {"worker": "w", "ttl_s": 60}
    assert client.post("/v1/tasks/claim", json=body, headers=headers).status_code == 204
    new_task(client)
    first = client.post("/v1/tasks/claim", json=body, headers=headers)
    again = client.post("/v1/tasks/claim", json=body, headers=headers)
    assert first.status_code == 200
    assert again.json() == first.json()


def test_waiting_ends_when_a_task_comes(client: httpx.Client, service: Service) -> None:
    """Nothing but the task ends the wait early: at its end, the answer would be 204."""
    response = claim_woken_by(service, client, lambda: new_task(client))
    assert response.status_code == 200
    assert response.headers["preference-applied"] == "wait=30"


def test_waiting_ends_with_nothing(client: httpx.Client, service: Service) -> None:
    """After as many seconds as the client said, while another one, who said more, goes on."""
    with ThreadPoolExecutor(1) as pool:
        longer = pool.submit(claim_any, client, 30)
        wait_for_claims(service)
        started = time.monotonic()
        assert claim_any(client, wait=1).status_code == 204
        assert time.monotonic() - started > 0.9
        assert not longer.done()
        new_task(client)
        assert longer.result().status_code == 200


def test_waiting_notices_an_expiry(client: httpx.Client) -> None:
    claim(client, new_task(client), ttl_s=1)
    assert claim_any(client, wait=30).status_code == 200


def test_waiting_notices_the_second_expiry_of_one_lease(client: httpx.Client) -> None:
    task_id = new_task(client)
    token = claim(client, task_id, ttl_s=1)["lease"]["token"]
    eventually(lambda: read(client, task_id)["attempts"])
    assert client.post(f"/v1/tasks/{task_id}/pulse", json={"token": token}).status_code == 200
    assert claim_any(client, wait=30).status_code == 200


def test_waiting_notices_the_end_of_a_pause(
    client: httpx.Client, service: Service, database: psycopg.Connection
) -> None:
    task_id = new_task(client)
    token = claim(client, task_id)["lease"]["token"]
    client.post(f"/v1/tasks/{task_id}/fail", json={"token": token, "error": "paper", "retry_in_s": 60})
    assert claim_any(client).status_code == 204
    over = "update tasks set claimable_at = now() where id = %s"
    assert claim_woken_by(service, client, lambda: database.execute(over, [task_id])).status_code == 200


def test_waiting_notices_a_new_label(client: httpx.Client, service: Service) -> None:
    path = f"/v1/tasks/{new_task(client)}"
    response = claim_woken_by(service, client, lambda: client.patch(path, json={"labels": ["print"]}), labels=["print"])
    assert response.status_code == 200


def test_waiting_notices_one_more_attempt(client: httpx.Client, service: Service, database: psycopg.Connection) -> None:
    task_id = new_task(client, max_attempts=1)
    claim(client, task_id)
    expire(database, task_id, seconds_ago=4)  # the sweeper rings for three seconds after an expiry
    eventually(lambda: read(client, task_id)["attempts"])
    more = {"max_attempts": 2}
    assert claim_woken_by(service, client, lambda: client.patch(f"/v1/tasks/{task_id}", json=more)).status_code == 200


def test_many_waiters_share_the_tasks_and_leave_the_database_alone(
    client: httpx.Client, service: Service, postgres: EmbeddedPostgres, database: psycopg.Connection
) -> None:
    def wait() -> int:
        with httpx.Client(base_url=service.url, headers=client.headers) as mine:
            return claim_any(mine, wait=30).status_code

    with logged_statements(postgres, database) as asked, ThreadPoolExecutor(20) as pool:
        waiters = [pool.submit(wait) for _ in range(20)]
        eventually(lambda: asked("rested as") >= 20)
        for served in range(1, 6):
            new_task(client)
            eventually(lambda served=served: sum(waiter.done() for waiter in waiters) >= served)  # type: ignore[misc]
        assert sum(waiter.done() for waiter in waiters) == 5
        client.post("/v1/tasks/batch", json={"tasks": [{"title": "for who still waits"}] * 15})
        assert [waiter.result() for waiter in waiters] == [200] * 20
        # Each asks when it comes, and each of the twenty tasks lets one ask again, or two, if one of them was faster.
        assert asked("rested as") <= 20 + 20 + 5


def test_a_task_wakes_one_that_waits_for_one_of_its_labels(
    client: httpx.Client, service: Service, postgres: EmbeddedPostgres, database: psycopg.Connection
) -> None:
    wanted = [[f"label {number}"] for number in range(10)] + [["a", "b"], ["b"]]

    def wait(labels: list[str]) -> int:
        with httpx.Client(base_url=service.url, headers=client.headers) as mine:
            return claim_any(mine, wait=30, labels=labels).status_code

    with logged_statements(postgres, database) as asked, ThreadPoolExecutor(20) as pool:
        waiters = [pool.submit(wait, labels) for labels in wanted]
        eventually(lambda: asked("rested as") >= len(wanted))
        new_task(client, labels=["b", "c"])
        eventually(lambda: sum(waiter.done() for waiter in waiters) == 1)
        assert sum(waiter.done() for waiter in waiters[:10]) == 0
        assert asked("rested as") == len(wanted) + 1
        batch = [{"title": "x", "labels": [*labels, "c"]} for labels in (*wanted[:10], ["b"])]
        client.post("/v1/tasks/batch", json={"tasks": batch})
        assert [waiter.result() for waiter in waiters] == [200] * len(wanted)
        assert asked("rested as") == 2 * len(wanted)


def test_a_task_that_comes_by_one_process_wakes_who_waits_at_another(
    client: httpx.Client, service: Service, tmp_path: Path
) -> None:
    with (
        Service(service.settings, tmp_path / "log") as second,
        httpx.Client(base_url=second.url, headers=client.headers) as other,
    ):
        assert claim_woken_by(second, other, lambda: new_task(client)).status_code == 200


def test_a_client_that_left_gets_no_task(client: httpx.Client, service: Service) -> None:
    headers = {"Authorization": f"Bearer {service.key}", "Content-Type": "application/json", "Prefer": "wait=30"}
    impatient = http.client.HTTPConnection("127.0.0.1", service.port)
    impatient.request("POST", "/v1/tasks/claim", json.dumps({"worker": "gone", "ttl_s": 60}), headers)
    wait_for_claims(service)
    impatient.close()
    wait_for_claims(service, 0)
    task_id = new_task(client)
    [item] = claim_any(client).json()["items"]
    assert (item["task"]["id"], item["lease"]["fence"]) == (task_id, 1)


def test_waiting_ends_at_sigterm(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    with Service(fresh_database(postgres), tmp_path / "log") as service, ThreadPoolExecutor(3) as pool:
        headers = {"Authorization": f"Bearer {service.key}"}

        def wait() -> int:
            with httpx.Client(base_url=service.url, headers=headers) as mine:
                return claim_any(mine, wait=30).status_code

        waiters = [pool.submit(wait) for _ in range(3)]
        wait_for_claims(service, 3)
        assert service.process is not None
        service.process.send_signal(signal.SIGTERM)
        assert [waiter.result() for waiter in waiters] == [204, 204, 204]
        assert service.process.wait(60) == 0

"""POST /v1/tasks/pulse, complete and fail: many leases at once."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.support.leases import Json, claim, expire, history, new_task, read, token_of
from tests.support.service import Service
from tests.support.waiting import eventually, wait_for_claims


def call(client: httpx.Client, name: str, items: list[Json]) -> list[Json]:
    """Return the verdicts; a machine that is very busy may take longer for a statement than the service waits."""

    def attempt() -> httpx.Response | None:
        response = client.post(f"/v1/tasks/{name}", json={"items": items})
        return response if response.status_code != 503 else None

    response: httpx.Response = eventually(attempt)
    assert response.status_code == 200, response.text
    verdicts: list[Json] = response.json()["items"]
    assert [verdict["id"] for verdict in verdicts] == [item["id"] for item in items]
    return verdicts


def held(client: httpx.Client, number: int, **fields: Any) -> list[Json]:
    """Make and claim tasks; return an item for each."""
    return [
        {"id": task_id, "token": token_of(client, task_id)}
        for task_id in (new_task(client, **fields) for _ in range(number))
    ]


def alone(client: httpx.Client, name: str, item: Json) -> Json:
    """Return what the call for one task says of an item."""
    body = {key: value for key, value in item.items() if key != "id"}
    problem: Json = client.post(f"/v1/tasks/{item['id']}/{name}", json=body).json()
    return {key: problem[key] for key in ("type", "title", "status", "detail")}


class TestPulse:
    def test_it_works(self, client: httpx.Client) -> None:
        first, second = held(client, 2)
        verdicts = call(client, "pulse", [second, first | {"progress": 40, "note": "page 4"}])
        assert all(verdict["ok"] for verdict in verdicts)
        assert [verdict["status"] for verdict in verdicts] == ["in_progress"] * 2
        assert [verdict["version"] for verdict in verdicts] == [
            read(client, item["id"])["version"] for item in (second, first)
        ]
        assert [verdict["pulse_every_s"] for verdict in verdicts] == [20, 20]
        leases = [client.get(f"/v1/tasks/{item['id']}/lease").json() for item in (second, first)]
        assert [verdict["expires_at"] for verdict in verdicts] == [lease["expires_at"] for lease in leases]
        assert [(lease["progress"], lease["note"]) for lease in leases] == [(None, None), (40, "page 4")]

    def test_it_tells_who_is_to_stop(self, client: httpx.Client) -> None:
        items = held(client, 2)
        client.patch(f"/v1/tasks/{items[1]['id']}", json={"status": "cancelled"}).raise_for_status()
        assert [verdict["cancel_requested"] for verdict in call(client, "pulse", items)] == [False, True]

    def test_each_is_refused_as_alone(self, client: httpx.Client, database: psycopg.Connection) -> None:
        good, late, over = held(client, 3)
        expire(database, late["id"])
        expire(database, over["id"])
        claim(client, over["id"], "w2")
        unknown = {"id": str(uuid4()), "token": good["token"]}
        done = held(client, 1)[0]
        call(client, "complete", [done])
        items = [over, good, unknown, late, done, {"id": new_task(client), "token": "none"}]
        verdicts = call(client, "pulse", items)
        assert [verdict["ok"] for verdict in verdicts] == [False, True, False, True, False, False]
        for item, verdict in zip(items, verdicts, strict=True):
            if not verdict["ok"]:
                assert {"id": item["id"], "ok": False} | alone(client, "pulse", item) == verdict

    def test_a_late_one_needs_room(self, client: httpx.Client, database: psycopg.Connection) -> None:
        """In the order given; one that finds no room in one of its queues takes none in the others."""
        client.put("/v1/queues/a", json={"max_leases": 4}).raise_for_status()
        client.put("/v1/queues/b", json={"max_leases": 4}).raise_for_status()
        of_both, of_a, other_of_a, of_b = (
            held(client, 1, labels=labels)[0] for labels in (["a", "b"], ["a"], ["a"], ["b"])
        )
        unlimited, live = held(client, 1)[0], held(client, 1, labels=["b"])[0]
        late = (of_both, of_a, other_of_a, of_b, unlimited)
        for item in late:
            expire(database, item["id"])
        client.put("/v1/queues/a", json={"max_leases": 1}).raise_for_status()
        client.put("/v1/queues/b", json={"max_leases": 2}).raise_for_status()
        items = [live, of_a, of_both, other_of_a, of_b, unlimited]
        verdicts = call(client, "pulse", items)
        assert [verdict["ok"] for verdict in verdicts] == [True, True, False, False, True, True]
        assert alone(client, "pulse", of_both)["detail"] == verdicts[2]["detail"]
        assert "'a'" in verdicts[3]["detail"]
        client.put("/v1/queues/b", json={"max_leases": 0}).raise_for_status()
        assert all(verdict["ok"] for verdict in call(client, "pulse", [live, of_b]))

    def test_metrics_count_each(self, client: httpx.Client, service: Service) -> None:
        items = held(client, 2)
        before = {outcome: counted(service, outcome) for outcome in ("accepted", "lost")}
        call(client, "pulse", [*items, {"id": str(uuid4()), "token": "x"}])
        assert counted(service, "accepted") == before["accepted"] + 2
        assert counted(service, "lost") == before["lost"] + 1


def counted(service: Service, outcome: str) -> float:
    """Return how many pulses had this outcome so far."""
    number = service.metric("taskpulse_pulses_total", outcome=outcome)
    assert number is not None
    return number


class TestComplete:
    def test_it_works(self, client: httpx.Client, database: psycopg.Connection) -> None:
        first, second = held(client, 2)
        verdicts = call(client, "complete", [second, first | {"result": {"pages": 10}}])
        tasks = [read(client, item["id"]) for item in (second, first)]
        assert verdicts == [
            {"id": task["id"], "ok": True, "status": "done", "version": task["version"]} for task in tasks
        ]
        assert [task["result"] for task in tasks] == [None, {"pages": 10}]
        action, version, before, after = history(database, first["id"])[-1]
        assert (action, version, before["status"], after["status"]) == (
            "completed",
            tasks[1]["version"],
            "in_progress",
            "done",
        )
        assert (after["worker"], after["result"]) == ("w1", {"pages": 10})

    @pytest.mark.parametrize("result", ["1e308", "0.10000000000000000001", "null", '"\\u00e9"', '{"b":1,"a":[null]}'])
    def test_it_leaves_what_the_call_for_one_leaves(
        self, client: httpx.Client, database: psycopg.Connection, result: str
    ) -> None:
        one, together = held(client, 2)
        headers = {"Content-Type": "application/json"}
        body = f'{{"token": "{one["token"]}", "result": {result}}}'
        client.post(f"/v1/tasks/{one['id']}/complete", content=body, headers=headers).raise_for_status()
        body = f'{{"items": [{{"id": "{together["id"]}", "token": "{together["token"]}", "result": {result}}}]}}'
        client.post("/v1/tasks/complete", content=body, headers=headers).raise_for_status()

        def left(item: Json) -> Any:
            rows = database.execute(
                "select t.result::text, h.action::text, h.before::text, h.after -> 'result' #>> '{}', h.actor"
                " from tasks t join history h on h.task_id = t.id where t.id = %s order by sequence desc limit 1",
                [item["id"]],
            )
            return [str(value).replace(item["id"], "") for value in rows.fetchone() or ()]

        assert left(one) == left(together)

    def test_each_is_refused_as_alone(self, client: httpx.Client, database: psycopg.Connection) -> None:
        good, late, over, again = held(client, 4)
        call(client, "complete", [again])
        expire(database, late["id"])
        expire(database, over["id"])
        claim(client, over["id"], "w2")
        finished = {"id": again["id"], "token": "another"}
        unknown = {"id": str(uuid4()), "token": good["token"]}
        items = [over, good, unknown, late, {"id": new_task(client), "token": "none"}]
        verdicts = call(client, "complete", items)
        assert [verdict["ok"] for verdict in verdicts] == [False, True, False, True, False]
        for item, verdict in [*zip(items, verdicts, strict=True), (finished, call(client, "complete", [finished])[0])]:
            if not verdict["ok"]:
                assert {"id": item["id"], "ok": False} | alone(client, "complete", item) == verdict
        assert [verdict["ok"] for verdict in call(client, "complete", [again, good])] == [True, True]

    def test_a_result_that_is_too_large_is_named(self, client: httpx.Client) -> None:
        items = [item | {"result": "x" * 9000} for item in held(client, 10)]
        items[7]["result"] = "x" * 16_400
        response = client.post("/v1/tasks/complete", json={"items": items})
        assert [error["pointer"] for error in response.json()["errors"]] == ["#/items/7/result"]
        items[7]["result"] = "x" * 16_300
        assert all(verdict["ok"] for verdict in call(client, "complete", items))

    def test_the_same_key_again_gives_the_same_answer(self, client: httpx.Client) -> None:
        headers = {"Idempotency-Key": str(uuid4())}
        body = {"items": held(client, 2)}
        first = client.post("/v1/tasks/complete", json=body, headers=headers)
        again = client.post("/v1/tasks/complete", json=body, headers=headers)
        assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")


class TestFail:
    def test_it_works(self, client: httpx.Client, database: psycopg.Connection) -> None:
        open_again, waiting = held(client, 2, labels=["a"])
        last, cancelled = held(client, 1, max_attempts=1)[0], held(client, 1)[0]
        client.patch(f"/v1/tasks/{cancelled['id']}", json={"status": "cancelled"}).raise_for_status()
        items = [
            last | {"error": "broken"},
            open_again | {"error": "no paper"},
            waiting | {"error": "later", "retry_in_s": 60},
            cancelled | {"error": "stopped"},
        ]
        verdicts = call(client, "fail", items)
        tasks = [read(client, item["id"]) for item in items]
        assert [verdict["status"] for verdict in verdicts] == ["failed", "open", "open", "cancelled"]
        assert verdicts == [
            {"id": task["id"], "ok": True, "status": task["status"], "version": task["version"]} for task in tasks
        ]
        assert [task["claimable_at"] is None for task in tasks] == [True, True, False, True]
        assert [task["attempts"] for task in tasks] == [1, 1, 1, 1]
        action, _, before, after = history(database, open_again["id"])[-1]
        assert (action, before["status"], after["status"], after["error"]) == (
            "failed",
            "in_progress",
            "open",
            "no paper",
        )
        assert call(client, "fail", items) == verdicts
        token_of(client, open_again["id"])
        assert [verdict["ok"] for verdict in call(client, "fail", items)] == [True, False, True, True]

    def test_the_wait_is_that_of_the_tasks_retry(self, client: httpx.Client) -> None:
        [item] = held(client, 1, retry={"backoff_s": 100, "factor": 1})
        call(client, "fail", [item | {"error": "x"}])
        assert read(client, item["id"])["claimable_at"] is not None

    def test_each_is_refused_as_alone(self, client: httpx.Client, database: psycopg.Connection) -> None:
        done, over = held(client, 2)
        call(client, "complete", [done])
        expire(database, over["id"])
        claim(client, over["id"], "w2")
        items = [
            {"error": "x"} | item
            for item in (done, over, {"id": str(uuid4()), "token": "x"}, {"id": new_task(client), "token": "x"})
        ]
        for item, verdict in zip(items, call(client, "fail", items), strict=True):
            assert {"id": item["id"], "ok": False} | alone(client, "fail", item) == verdict

    def test_a_claim_that_waits_is_woken(self, client: httpx.Client, service: Service) -> None:
        [item] = held(client, 1, labels=["a"])
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(
                client.post,
                "/v1/tasks/claim",
                json={"worker": "w", "ttl_s": 60, "labels": ["a"]},
                headers={"Prefer": "wait=30"},
                timeout=40,
            )
            wait_for_claims(service)
            call(client, "fail", [item | {"error": "x"}])
            assert waiting.result().json()["items"][0]["task"]["id"] == item["id"]


@pytest.mark.parametrize("name", ["pulse", "complete", "fail"])
class TestAll:
    def test_a_thousand_at_once(self, client: httpx.Client, database: psycopg.Connection, name: str) -> None:
        database.execute("insert into tasks (title) select 'x' from generate_series(1, 1000)")
        items = []
        for _ in range(10):
            claimed = client.post("/v1/tasks/claim", json={"worker": "w", "ttl_s": 600, "limit": 100}).json()["items"]
            items += [{"id": each["task"]["id"], "token": each["lease"]["token"], "error": "x"} for each in claimed]
        if name != "fail":
            items = [{"id": item["id"], "token": item["token"]} for item in items]
        assert all(verdict["ok"] for verdict in call(client, name, list(reversed(items))))
        response = client.post(f"/v1/tasks/{name}", json={"items": [*items, items[0]]})
        assert response.status_code == 400
        assert "1000" in response.json()["detail"]

    def test_the_same_task_twice_is_refused(self, client: httpx.Client, name: str) -> None:
        more = {"error": "x"} if name == "fail" else {}
        items = [item | more for item in held(client, 2)]
        response = client.post(f"/v1/tasks/{name}", json={"items": [*items, items[0]]})
        assert response.status_code == 400
        assert [error["pointer"] for error in response.json()["errors"]] == ["#/items/2/id"]
        assert f"the task {items[0]['id']} stands at #/items/0" in response.json()["detail"]
        assert read(client, items[0]["id"])["status"] == "in_progress"

    def test_bad_items_are_named(self, client: httpx.Client, name: str) -> None:
        good = {"id": str(uuid4()), "token": "x"} | ({"error": "x"} if name == "fail" else {})
        bodies: list[tuple[Any, list[str]]] = [
            ({}, ["#/items"]),
            ({"items": []}, ["#/items"]),
            ({"items": [good, good | {"id": "x"}, {"id": good["id"]}]}, ["#/items/1/id", "#/items/2/token"]),
            ({"items": [good | {"worker": "w"}]}, ["#/items/0/worker"]),
            ({"items": [None]}, ["#/items/0"]),
        ]
        for body, pointers in bodies:
            response = client.post(f"/v1/tasks/{name}", json=body)
            assert response.status_code == 400
            assert {error["pointer"] for error in response.json()["errors"]} >= set(pointers)


def test_the_sweep_sees_what_failed(client: httpx.Client, database: psycopg.Connection) -> None:
    """An attempt that has expired and is then ended by its worker counts once."""
    items = held(client, 3)
    for item in items:
        expire(database, item["id"])
    eventually(lambda: all(read(client, item["id"])["attempts"] == 1 for item in items))
    call(client, "fail", [item | {"error": "x"} for item in items])
    assert [read(client, item["id"])["attempts"] for item in items] == [1, 1, 1]

"""GET /v1/queues, and GET, PUT and DELETE of /v1/queues/{label}."""

from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest

from app.leases.queues import MOST
from tests.app.leases.test_claim_many import claim_any, claim_woken_by, titles
from tests.support.leases import claim, expire, new_task, problem, read
from tests.support.service import Service
from tests.support.waiting import eventually

LABELS = ["print", "a/b", "/", "//", ".", "..", "a/../b", "ä ö", "%2F", "?#", "a+b", " ", "\\", "日" * 50]


def put(client: httpx.Client, label: str, **rules: Any) -> httpx.Response:
    return client.put(f"/v1/queues/{encoded(label)}", json=rules)


def encoded(label: str) -> str:
    """Return the label percent-encoded; httpx would take two plain dots for the folder above."""
    return quote(label, safe="").replace(".", "%2E")


def claim_one(client: httpx.Client, task_id: str) -> httpx.Response:
    return client.post(f"/v1/tasks/{task_id}/claim", json={"worker": "w", "ttl_s": 60})


def test_it_works(client: httpx.Client) -> None:
    made = put(client, "print", max_leases=2)
    assert made.status_code == 201
    assert made.headers["location"] == "/v1/queues/print"
    rules = made.json()
    assert (rules["label"], rules["paused"], rules["max_leases"], rules["ready_within_s"]) == ("print", False, 2, None)
    found = client.get("/v1/queues/print")
    assert found.json() == rules
    assert found.headers["etag"] == made.headers["etag"] == f'"{rules["version"]}"'
    assert client.delete("/v1/queues/print").status_code == 204
    assert problem(client.get("/v1/queues/print")) == "not-found"
    assert problem(client.delete("/v1/queues/print")) == "not-found"


@pytest.mark.parametrize("label", LABELS)
def test_every_label_has_a_path(client: httpx.Client, label: str) -> None:
    made = put(client, label, paused=True)
    assert made.status_code == 201, made.text
    assert made.json()["label"] == label
    assert client.get(f"/v1/queues/{encoded(label)}").json()["label"] == label
    assert [queue["label"] for queue in client.get("/v1/queues").json()["items"]] == [label]
    assert problem(claim_one(client, new_task(client, labels=[label]))) == "queue-paused"
    assert client.delete(f"/v1/queues/{encoded(label)}").status_code == 204


@pytest.mark.parametrize("path", ["%FF", "x" * 51, "%00", quote("日" * 51)])
def test_what_is_no_label_is_refused(client: httpx.Client, path: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        response = client.request(method, f"/v1/queues/{path}", json={} if method == "PUT" else None)
        assert problem(response) == "invalid-request"
        assert response.json()["errors"][0]["pointer"] == "label"


def test_a_path_of_two_segments_is_nothing(client: httpx.Client) -> None:
    assert problem(client.get("/v1/queues/a/b")) == "not-found"


def test_put_replaces(client: httpx.Client) -> None:
    first = put(client, "print", paused=True, max_leases=2, ready_within_s=60).json()
    second = put(client, "print", max_leases=2)
    assert second.status_code == 200
    assert (second.json()["paused"], second.json()["paused_at"], second.json()["ready_within_s"]) == (False, None, None)
    assert second.json()["version"] > first["version"]
    assert put(client, "print", max_leases=2).json() == second.json()


def test_a_pause_keeps_its_beginning(client: httpx.Client) -> None:
    first = put(client, "print", paused=True).json()
    assert put(client, "print", paused=True, max_leases=3).json()["paused_at"] == first["paused_at"] is not None


def test_if_match_and_if_none_match(client: httpx.Client) -> None:
    path = "/v1/queues/print"
    for headers in ({"If-Match": "*"}, {"If-Match": '"1"'}):
        assert problem(client.put(path, json={}, headers=headers)) == "precondition-failed"
    for tags in ("nonsense", '"1'):
        assert problem(client.put(path, json={}, headers={"If-None-Match": tags})) == "invalid-request"
    assert client.put(path, json={}, headers={"If-None-Match": "*"}).status_code == 201
    assert problem(client.put(path, json={}, headers={"If-None-Match": "*"})) == "precondition-failed"
    first = client.get(path).headers["etag"]
    assert client.get(path, headers={"If-None-Match": first}).status_code == 304
    second = client.put(path, json={"paused": True}, headers={"If-Match": first}).headers["etag"]
    assert problem(client.put(path, json={}, headers={"If-Match": first})) == "precondition-failed"
    assert problem(client.delete(path, headers={"If-Match": first})) == "precondition-failed"
    assert client.delete(path, headers={"If-Match": second}).status_code == 204
    put(client, "print", paused=True)
    assert problem(client.delete(path, headers={"If-Match": second})) == "precondition-failed"


@pytest.mark.parametrize(
    ("rules", "pointer"),
    [
        ({"max_leases": -1}, "#/max_leases"),
        ({"max_leases": 1.5}, "#/max_leases"),
        ({"ready_within_s": 0}, "#/ready_within_s"),
        ({"paused": "yes"}, "#/paused"),
        ({"pause": True}, "#/pause"),
    ],
)
def test_bad_rules_are_named(client: httpx.Client, rules: dict[str, Any], pointer: str) -> None:
    response = client.put("/v1/queues/print", json=rules)
    assert problem(response) == "invalid-request"
    assert response.json()["errors"][0]["pointer"] == pointer


def test_there_is_a_last_queue(client: httpx.Client) -> None:
    for number in range(MOST):
        assert put(client, f"queue {number}").status_code == 201
    assert problem(put(client, "one more")) == "too-many-queues"
    assert put(client, "queue 0", paused=True).status_code == 200


def test_the_list_counts(client: httpx.Client, database: psycopg.Connection) -> None:
    oldest = read(client, new_task(client, labels=["a", "b"]))
    new_task(client, labels=["a"])
    new_task(client, labels=["a"], run_after="2099-01-01T00:00:00Z")
    new_task(client, labels=["done"], status="done")
    claim(client, new_task(client, labels=["a"]))
    quiet = new_task(client, labels=["b"])
    claim(client, quiet)
    expire(database, quiet)
    put(client, "c", paused=True, max_leases=1, ready_within_s=60)
    nothing = {"ready": 0, "scheduled": 0, "leased": 0, "quiet": 0, "oldest_ready_at": None}
    free = {"paused": False, "max_leases": None, "ready_within_s": None}
    since = {"oldest_ready_at": oldest["created_at"]}
    assert client.get("/v1/queues").json()["items"] == [
        {"label": "a", **nothing, "ready": 2, "scheduled": 1, "leased": 1, **since, **free},
        {"label": "b", **nothing, "ready": 1, "quiet": 1, **since, **free},
        {"label": "c", **nothing, "paused": True, "max_leases": 1, "ready_within_s": 60},
        {"label": "done", **nothing, **free},
    ]


def test_the_list_has_pages(client: httpx.Client) -> None:
    for number in range(5):
        new_task(client, labels=[f"label {number}", "both"])
    put(client, "both")
    labels, path = [], "/v1/queues?limit=2"
    while path:
        response = client.get(path)
        labels += [queue["label"] for queue in response.json()["items"]]
        path = response.links.get("next", {}).get("url", "")
    assert labels == ["both", *(f"label {number}" for number in range(5))]


def test_no_lease_begins_on_a_task_of_a_paused_queue(client: httpx.Client) -> None:
    held = new_task(client, labels=["a", "b"])
    lease = claim(client, held)["lease"]
    paused = new_task(client, title="paused", labels=["b", "a"], priority="urgent")
    new_task(client, title="other")
    put(client, "a", paused=True)
    refused = claim_one(client, paused)
    assert problem(refused) == "queue-paused"
    assert int(refused.headers["retry-after"]) >= 1
    assert claim_any(client, labels=["a"]).status_code == claim_any(client, labels=["b"]).status_code == 204
    assert titles(claim_any(client, limit=9)) == ["other"]
    token = {"token": lease["token"]}
    assert client.post(f"/v1/tasks/{held}/pulse", json=token).status_code == 200
    assert client.post(f"/v1/tasks/{held}/complete", json=token).status_code == 200
    client.delete("/v1/queues/a")
    assert titles(claim_any(client, labels=["b"])) == ["paused"]


def test_an_expired_lease_and_an_ended_wait_obey_a_pause(client: httpx.Client, database: psycopg.Connection) -> None:
    quiet = new_task(client, labels=["a"])
    claim(client, quiet)
    expire(database, quiet)
    put(client, "a", paused=True)
    new_task(client, labels=["a"], run_after="2020-01-01T00:00:00Z")
    assert claim_any(client).status_code == 204
    assert problem(claim_one(client, quiet)) == "queue-paused"


CHANGES: list[tuple[dict[str, Any], dict[str, Any] | None]] = [
    ({"paused": True}, {}),
    ({"paused": True}, None),
    ({"max_leases": 0}, {"max_leases": 1}),
    ({"max_leases": 0}, {}),
    ({"max_leases": 0}, None),
]


@pytest.mark.parametrize(("before", "after"), CHANGES)
def test_a_change_that_lets_a_task_be_claimed_wakes_who_waits(
    client: httpx.Client, service: Service, before: dict[str, Any], after: dict[str, Any] | None
) -> None:
    new_task(client, title="stopped", labels=["a"])
    put(client, "a", **before)

    def change() -> None:
        (client.delete("/v1/queues/a") if after is None else put(client, "a", **after)).raise_for_status()

    assert titles(claim_woken_by(service, client, change, labels=["a"])) == ["stopped"]


def test_there_are_never_more_leases_than_a_queue_allows(client: httpx.Client, database: psycopg.Connection) -> None:
    tasks = [new_task(client, labels=["a"]) for _ in range(4)]
    put(client, "a", max_leases=2)
    assert len(claim_any(client, limit=9).json()["items"]) == 2
    assert problem(claim_one(client, tasks[2])) == "queue-full"
    assert claim_any(client, labels=["a"]).status_code == 204
    expire(database, tasks[0])
    assert claim_one(client, tasks[2]).status_code == 200
    assert problem(claim_one(client, tasks[3])) == "queue-full"


def test_a_task_needs_room_in_all_its_queues(client: httpx.Client) -> None:
    first = new_task(client, labels=["a"])
    both = new_task(client, labels=["a", "b"])
    put(client, "a", max_leases=1)
    put(client, "b", max_leases=1)
    lease = claim(client, first)["lease"]
    assert problem(claim_one(client, both)) == "queue-full"
    assert claim_any(client, labels=["b"]).status_code == 204
    client.post(f"/v1/tasks/{first}/complete", json={"token": lease["token"]})
    assert claim_any(client, labels=["b"]).status_code == 200


def test_a_late_pulse_needs_room_and_a_late_complete_does_not(
    client: httpx.Client, database: psycopg.Connection
) -> None:
    late, other = new_task(client, labels=["a"]), new_task(client, labels=["a"])
    put(client, "a", max_leases=1)
    token = {"token": claim(client, late)["lease"]["token"]}
    expire(database, late)
    assert client.post(f"/v1/tasks/{late}/pulse", json=token).status_code == 200
    expire(database, late)
    claim(client, other)
    refused = client.post(f"/v1/tasks/{late}/pulse", json=token)
    assert problem(refused) == "lease-lost"
    assert "max_leases" in refused.json()["detail"]
    assert client.post(f"/v1/tasks/{late}/complete", json=token).status_code == 200


def test_a_lower_limit_and_another_label_affect_new_claims_alone(client: httpx.Client) -> None:
    tasks = [new_task(client, labels=["a"]) for _ in range(2)]
    tokens = [claim(client, task)["lease"]["token"] for task in tasks]
    free = new_task(client, labels=["b"])
    put(client, "a", max_leases=1)
    for task, token in zip(tasks, tokens, strict=True):
        assert client.post(f"/v1/tasks/{task}/pulse", json={"token": token}).status_code == 200
    client.patch(f"/v1/tasks/{free}", json={"labels": ["a"]})
    assert problem(claim_one(client, free)) == "queue-full"
    client.patch(f"/v1/tasks/{tasks[0]}", json={"labels": []})
    assert problem(claim_one(client, free)) == "queue-full"
    client.patch(f"/v1/tasks/{tasks[1]}", json={"labels": []})
    assert claim_one(client, free).status_code == 200


@pytest.mark.parametrize("way", ["complete", "fail", "complete many", "fail many", "other labels"])
def test_a_slot_that_gets_free_wakes_who_waits(
    client: httpx.Client, service: Service, database: psycopg.Connection, way: str
) -> None:
    """At once: the sweep, which would do it too, cannot correct lanes here, and does not get that far."""
    first, second = (new_task(client, title=title, labels=["a"], max_attempts=1) for title in ("first", "second"))
    put(client, "a", max_leases=1)
    token = {"token": claim(client, first)["lease"]["token"]}
    end, _, many = way.partition(" ")
    body = token if end == "complete" else {**token, "error": "x"}

    def finish() -> None:
        if end == "other":
            response = client.patch(f"/v1/tasks/{first}", json={"labels": []})
        elif many:
            response = client.post(f"/v1/tasks/{end}", json={"items": [{"id": first, **body}]})
        else:
            response = client.post(f"/v1/tasks/{first}/{end}", json=body)
        response.raise_for_status()

    with database.transaction():
        database.execute("lock table queues in share mode")
        [item] = claim_woken_by(service, client, finish).json()["items"]
    assert item["task"]["id"] == second


def test_the_sweep_wakes_who_waits_for_the_slot_of_an_expired_lease(
    client: httpx.Client, service: Service, database: psycopg.Connection
) -> None:
    first, second = (new_task(client, title=title, labels=["a"], max_attempts=1) for title in ("first", "second"))
    put(client, "a", max_leases=1)
    claim(client, first)
    [item] = claim_woken_by(service, client, lambda: expire(database, first)).json()["items"]
    assert item["task"]["id"] == second


def test_tasks_come_into_the_lanes_of_their_queues(client: httpx.Client, database: psycopg.Connection) -> None:
    new_task(client, labels=["a", "b"])
    lanes = "select distinct cardinality(lane) from ready_labels"
    put(client, "a")
    assert database.execute(lanes).fetchall() == [(1,)]
    put(client, "b")
    assert database.execute(lanes).fetchall() == [(2,)]
    client.delete("/v1/queues/a")
    assert database.execute(lanes).fetchall() == [(1,)]
    client.delete("/v1/queues/b")
    new_task(client, labels=["b"])
    assert database.execute(lanes).fetchall() == [(0,)]


@pytest.mark.parametrize("settled", [True, False])
def test_the_sweep_corrects_a_lane(client: httpx.Client, database: psycopg.Connection, settled: bool) -> None:
    """Before it does, claims pass over the task all the same, whether or not they look out for such tasks."""
    new_task(client, labels=["a"], priority="urgent")
    new_task(client, title="other", labels=["b"])
    put(client, "a", paused=True)
    assert database.execute("select settled from queues").fetchall() == [(True,)]
    with database.transaction():
        database.execute("update queues set settled = %s", [settled])
        database.execute("update ready_labels set lane = '{}' where label = 'a'")
    assert titles(claim_any(client, limit=9)) == ["other"]
    assert claim_any(client).status_code == 204
    eventually(
        lambda: database.execute("select from ready_labels where label = 'a' and lane = '{}'").fetchone() is None
    )

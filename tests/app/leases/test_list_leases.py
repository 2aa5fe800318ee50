"""GET /v1/leases."""

import json
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.leases import Json, claim, expire, new_task, problem


def page(client: httpx.Client, **parameters: Any) -> list[Json]:
    response = client.get("/v1/leases", params=parameters)
    assert response.status_code == 200, response.text
    items: list[Json] = response.json()["items"]
    return items


def ids(items: list[Json]) -> list[str]:
    return [item["task_id"] for item in items]


def test_it_works(client: httpx.Client) -> None:
    task_id = new_task(client, title="Print", labels=["print", "a4"], priority="high")
    lease = claim(client, task_id, "printer-1")["lease"]
    pulse = {"token": lease["token"], "progress": 40, "note": "page 4 of 10"}
    client.post(f"/v1/tasks/{task_id}/pulse", json=pulse).raise_for_status()
    [listed] = page(client)
    state = client.get(f"/v1/tasks/{task_id}/lease").json()
    assert listed == state | {
        "task_id": task_id,
        "title": "Print",
        "labels": ["print", "a4"],
        "priority": "high",
        "max_attempts": 3,
        "cancel_requested": False,
    }
    assert (listed["worker"], listed["progress"], listed["state"]) == ("printer-1", 40, "live")
    assert lease["token"] not in json.dumps(listed)


def test_it_shows_leases_alone(client: httpx.Client) -> None:
    new_task(client)
    done = new_task(client)
    token = claim(client, done)["lease"]["token"]
    client.post(f"/v1/tasks/{done}/complete", json={"token": token}).raise_for_status()
    assert page(client) == []


def test_a_worker_that_is_silent_is_quiet_until_it_pulses_or_another_claims(
    client: httpx.Client, database: psycopg.Connection
) -> None:
    tasks = [new_task(client) for _ in range(3)]
    tokens = [claim(client, task)["lease"]["token"] for task in tasks]
    for task in tasks[1:]:
        expire(database, task, 1)
    assert ids(page(client, state="live")) == tasks[:1]
    quiet = page(client, state="quiet")
    assert ids(quiet) == tasks[1:]
    assert {item["state"] for item in quiet} == {"quiet"}
    client.post(f"/v1/tasks/{tasks[1]}/pulse", json={"token": tokens[1]}).raise_for_status()
    claim(client, tasks[2], "another")
    assert page(client, state="quiet") == []
    assert ids(page(client)) == ids(page(client, state="live")) == tasks


def test_filters_are_of_any_of_several_and_all_of_them_hold(client: httpx.Client) -> None:
    labels = [["print"], ["mail"], ["print", "mail"], []]
    tasks = [new_task(client, labels=some) for some in labels]
    for task, worker in zip(tasks, ["a", "b", "a", "c"], strict=True):
        claim(client, task, worker)
    assert ids(page(client, label="print")) == [tasks[0], tasks[2]]
    assert ids(page(client, label=["print", "mail"])) == tasks[:3]
    assert ids(page(client, worker=["a", "c"])) == [tasks[0], tasks[2], tasks[3]]
    assert ids(page(client, worker="a", label="mail", state="live")) == [tasks[2]]
    assert page(client, worker="nobody") == page(client, label="none") == page(client, state="quiet") == []


def test_pages_have_every_lease_that_nobody_touches_once(client: httpx.Client, database: psycopg.Connection) -> None:
    """Pulses, claims and ends go on between two pages."""
    tasks = [new_task(client, labels=["walk"]) for _ in range(9)]
    tokens = {task: claim(client, task)["lease"]["token"] for task in tasks}
    target: str | None = "/v1/leases?limit=2&label=walk"
    found: list[str] = []
    while target is not None:
        response = client.get(target)
        found += ids(response.json()["items"])
        assert len(response.json()["items"]) <= 2
        target = response.links.get("next", {}).get("url")
        assert (target is None) == (response.json()["next_cursor"] is None)
        client.post(f"/v1/tasks/{tasks[0]}/pulse", json={"token": tokens[tasks[0]]}).raise_for_status()
        expire(database, tasks[-1])
        claim(client, new_task(client, labels=["walk"]))
    assert found[: len(tasks)] == tasks
    assert len(found) == len(set(found))


def test_a_page_ends_where_it_would_be_too_large(client: httpx.Client) -> None:
    tasks = [new_task(client, title="日" * 200, labels=[f"{n}" + "日" * 40 for n in range(20)]) for _ in range(100)]
    for task in tasks:
        claim(client, task)
    found: list[str] = []
    target: str | None = "/v1/leases?limit=200"
    while target is not None:
        response = client.get(target)
        assert len(response.content) < 300_000
        found += ids(response.json()["items"])
        target = response.links.get("next", {}).get("url")
    assert found == tasks


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("state=expired", "state"),
        ("state=null", "state"),
        ("state=live&state=quiet", "state"),
        ("liveness=live", "liveness"),
        ("worker=", "worker"),
        ("label=" + "x" * 51, "label"),
        ("limit=201", "limit"),
        ("cursor=x", "cursor"),
        ("status=open", "status"),
    ],
)
def test_a_bad_parameter_is_named(client: httpx.Client, query: str, pointer: str) -> None:
    response = client.get(f"/v1/leases?{query}")
    assert problem(response) == "invalid-request"
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer], response.text


def test_a_bad_state_is_told_the_good_ones(client: httpx.Client) -> None:
    assert "live, quiet" in client.get("/v1/leases?state=expired").json()["detail"]


def test_a_cursor_is_of_its_filters(client: httpx.Client) -> None:
    for _ in range(2):
        claim(client, new_task(client))
    cursor = client.get("/v1/leases?limit=1").json()["next_cursor"]
    assert problem(client.get("/v1/leases", params={"cursor": cursor, "worker": "w1"})) == "invalid-request"

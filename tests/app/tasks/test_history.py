"""GET /v1/tasks/{id}/history."""

import httpx
import psycopg

from app.keys import admin as keys
from tests.support.service import Service


def test_it_works(client: httpx.Client, service: Service) -> None:
    task = client.post("/v1/tasks", json={"title": "Draft", "labels": ["a"]}).json()
    changed = client.patch(f"/v1/tasks/{task['id']}", json={"title": "Final", "status": "done"}).json()
    response = client.get(f"/v1/tasks/{task['id']}/history")
    assert response.status_code == 200
    created, updated = response.json()["items"]
    actor = {"key_id": service.key.split("_")[1], "name": "tests"}
    assert created == {
        "at": created["at"], "action": "created", "version": 1, "actor": actor, "before": None, "after": task,
    }  # fmt: skip
    assert updated == {
        "at": updated["at"],
        "action": "updated",
        "version": 2,
        "actor": actor,
        "before": {"title": "Draft", "status": "open", "finished_at": None},
        "after": {"title": "Final", "status": "done", "finished_at": changed["finished_at"]},
    }
    assert task["created_at"] <= created["at"] <= updated["at"]
    assert response.json()["next_cursor"] is None


def test_a_deleted_task_keeps_it(client: httpx.Client) -> None:
    task = client.post("/v1/tasks", json={"title": "Short-lived"}).json()
    client.delete(f"/v1/tasks/{task['id']}")
    last = client.get(f"/v1/tasks/{task['id']}/history").json()["items"][-1]
    assert (last["action"], last["before"], last["after"]) == ("deleted", task, None)


def test_it_says_whose_key_made_each_change(client: httpx.Client, service: Service) -> None:
    task = client.post("/v1/tasks", json={"title": "Shared"}).json()
    token = keys.create(service.settings, "grace", ("write",), None)
    client.patch(f"/v1/tasks/{task['id']}", json={"priority": "high"}, headers={"Authorization": f"Bearer {token}"})
    keys.revoke(service.settings, token)
    items = client.get(f"/v1/tasks/{task['id']}/history").json()["items"]
    assert [item["actor"]["name"] for item in items] == ["tests", "grace"]
    assert items[1]["actor"]["key_id"] == token.split("_")[1]


def test_what_changed_nothing_is_not_in_it(client: httpx.Client) -> None:
    task = client.post("/v1/tasks", json={"title": "Same"}).json()
    client.patch(f"/v1/tasks/{task['id']}", json={"title": "Same", "status": "open"})
    client.patch(f"/v1/tasks/{task['id']}", json={"title": "Other"}, headers={"If-Match": '"9"'})
    assert len(client.get(f"/v1/tasks/{task['id']}/history").json()["items"]) == 1


def test_it_comes_in_pages(client: httpx.Client) -> None:
    path = client.post("/v1/tasks", json={"title": "1"}).headers["location"]
    for number in range(2, 8):
        client.patch(path, json={"title": str(number)})
    page = client.get(f"{path}/history?limit=3")
    versions = [change["version"] for change in page.json()["items"]]
    while "next" in page.links:
        assert len(page.json()["items"]) == 3
        page = client.get(page.links["next"]["url"])
        versions += [change["version"] for change in page.json()["items"]]
    assert versions == [1, 2, 3, 4, 5, 6, 7]


def test_a_cursor_of_another_task_is_refused(client: httpx.Client) -> None:
    paths = [client.post("/v1/tasks", json={"title": "x"}).headers["location"] for _ in range(2)]
    for path in paths:
        client.patch(path, json={"title": "y"})
    cursor = client.get(f"{paths[0]}/history?limit=1").json()["next_cursor"]
    refused = client.get(f"{paths[1]}/history", params={"cursor": cursor})
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["pointer"] == "cursor"


def test_unknown_tasks_have_none(client: httpx.Client) -> None:
    response = client.get("/v1/tasks/01980000-0000-7000-8000-000000000000/history")
    assert response.status_code == 404
    assert response.json()["type"] == "/problems/not-found"


def test_a_task_whose_history_was_pruned_still_has_an_empty_one(
    client: httpx.Client, database: psycopg.Connection
) -> None:
    task = client.post("/v1/tasks", json={"title": "Old"}).json()
    database.execute("truncate history")
    assert client.get(f"/v1/tasks/{task['id']}/history").json() == {"items": [], "next_cursor": None}

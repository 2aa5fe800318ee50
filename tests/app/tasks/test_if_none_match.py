"""PATCH and DELETE with If-None-Match (RFC 9110, section 13.1.2)."""

from typing import Any

import httpx
import pytest

from tests.support.contract import problem

TASK = "/v1/tasks/01890000-0000-7000-8000-000000000000"


def change(client: httpx.Client, method: str, path: str, **headers: str) -> httpx.Response:
    body: Any = {"title": "changed"} if method == "PATCH" else None
    fields = {name.replace("_", "-"): text for name, text in headers.items()}
    return client.request(method, path, headers=fields, json=body)


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize("tags", ["*", '"1"', 'W/"1"', '"7", "1"'])
def test_the_present_version_is_ruled_out(client: httpx.Client, method: str, tags: str) -> None:
    path = client.post("/v1/tasks", json={"title": "x"}).headers["location"]
    problem(change(client, method, path, If_None_Match=tags), 412, "precondition-failed")
    assert client.get(path).json()["version"] == 1


@pytest.mark.parametrize(("method", "status"), [("PATCH", 200), ("DELETE", 204)])
@pytest.mark.parametrize("tags", ['"2"', 'W/"7"', '""', ""])
def test_another_version_is_not(client: httpx.Client, method: str, status: int, tags: str) -> None:
    path = client.post("/v1/tasks", json={"title": "x"}).headers["location"]
    assert change(client, method, path, If_None_Match=tags).status_code == status


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_both_conditions_hold(client: httpx.Client, method: str) -> None:
    path = client.post("/v1/tasks", json={"title": "x"}).headers["location"]
    problem(change(client, method, path, If_Match='"2"', If_None_Match='"7"'), 412, "precondition-failed")
    problem(change(client, method, path, If_Match='"1"', If_None_Match='"1"'), 412, "precondition-failed")
    assert change(client, method, path, If_Match='"1"', If_None_Match='"2"').status_code in (200, 204)


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_no_task_is_404_and_nonsense_400(client: httpx.Client, method: str) -> None:
    problem(change(client, method, TASK, If_None_Match="*"), 404, "not-found")
    path = client.post("/v1/tasks", json={"title": "x"}).headers["location"]
    problem(change(client, method, path, If_None_Match="1"), 400, "invalid-request", "If-None-Match")

"""HEAD, OPTIONS and methods that a path does not take."""

from typing import Any

import httpx
import pytest

from tests.support.contract import Contract, problem

TASK = "/v1/tasks/01890000-0000-7000-8000-000000000000"
ALLOWED = [
    ("/", "GET, HEAD, OPTIONS"),
    ("/health/live", "GET, HEAD, OPTIONS"),
    ("/health/ready", "GET, HEAD, OPTIONS"),
    ("/metrics", "GET, HEAD, OPTIONS"),
    ("/openapi.json", "GET, HEAD, OPTIONS"),
    ("/docs", "GET, HEAD, OPTIONS"),
    ("/problems", "GET, HEAD, OPTIONS"),
    ("/problems/not-found", "GET, HEAD, OPTIONS"),
    ("/v1/tasks", "GET, HEAD, POST, OPTIONS"),
    ("/v1/tasks/batch", "POST, OPTIONS"),
    ("/v1/tasks/pulse", "POST, OPTIONS"),
    ("/v1/tasks/complete", "POST, OPTIONS"),
    ("/v1/tasks/fail", "POST, OPTIONS"),
    ("/v1/tasks/requeue", "POST, OPTIONS"),
    ("/v1/tasks/cancel", "POST, OPTIONS"),
    ("/v1/tasks/delete", "POST, OPTIONS"),
    (TASK, "GET, HEAD, PATCH, DELETE, OPTIONS"),
    ("/v1/events", "GET, HEAD, OPTIONS"),
    ("/v1/queues", "GET, HEAD, OPTIONS"),
    ("/v1/queues/print", "GET, HEAD, PUT, DELETE, OPTIONS"),
    ("/v1/queues/a%2Fb", "GET, HEAD, PUT, DELETE, OPTIONS"),
    ("/v1/limits", "GET, HEAD, OPTIONS"),
    ("/v1/leases", "GET, HEAD, OPTIONS"),
    ("/v1/stats", "GET, HEAD, OPTIONS"),
]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"]


@pytest.mark.parametrize(("path", "allow"), ALLOWED)
def test_options_lists_every_method(anonymous: httpx.Client, path: str, allow: str) -> None:
    response = anonymous.options(path)
    assert response.status_code == 204
    assert response.headers["allow"] == allow
    assert ("accept-patch" in response.headers) == ("PATCH" in allow)


@pytest.mark.parametrize(("path", "allow"), ALLOWED)
def test_another_method_is_405_and_lists_them_too(client: httpx.Client, path: str, allow: str) -> None:
    refused = [method for method in METHODS if method not in allow.split(", ")]
    assert len(refused) >= 4
    for method in refused:
        response = client.request(method, path)
        assert response.status_code == 405
        assert response.headers["allow"] == allow
        if method != "HEAD":
            detail = problem(response, 405, "method-not-allowed")["detail"]
            assert detail == f"{method} is not among the methods of {path}: {allow}."


def test_options_of_nothing_is_404(anonymous: httpx.Client) -> None:
    problem(anonymous.options("/nope"), 404, "not-found")


def test_every_documented_get_has_head(client: httpx.Client, contract: Contract) -> None:
    task = client.post("/v1/tasks", json={"title": "x"}).json()["id"]
    client.post(f"/v1/tasks/{task}/claim", json={"worker": "w", "ttl_s": 60}).raise_for_status()
    client.put("/v1/queues/print", json={}).raise_for_status()
    values = {"{task_id}": task, "{name}": "not-found", "{label}": "print"}
    paths: dict[str, Any] = contract.document["paths"]
    # A stream has no end; test_events.py asks for its head.
    for template in [path for path, operations in paths.items() if "get" in operations and path != "/v1/events"]:
        path = template
        for name, value in values.items():
            path = path.replace(name, value)
        head, get = client.head(path), client.get(path)
        assert (head.status_code, head.content) == (200, b""), path
        assert head.headers["content-type"] == get.headers["content-type"]

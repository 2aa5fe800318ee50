"""Every POST of the OpenAPI document honours Idempotency-Key: a new one is tried by its example, none is forgotten."""

import json
import uuid
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.contract import Contract
from tests.support.leases import Json, new_task, problem, token_of

STATES = ("open", "held", "done")
"""States of a task, one of which each call takes."""


def call_of(path: str, operation: Json, task_id: str, token: str) -> tuple[str, bytes]:
    """Return the path and the body of a call on this task, by the example of the document."""
    if "requestBody" not in operation:
        body = b""
    else:
        examples = operation["requestBody"]["content"]["application/json"]["examples"]
        first = next(iter(examples.values()))["value"]
        body = json.dumps(with_values(first, task_id, token)).encode()
    return path.replace("{task_id}", task_id), body


def with_values(part: Any, task_id: str, token: str) -> Any:
    """Put the id and the token of a task into an example wherever it has some, and leave one item of each list."""
    if isinstance(part, list):
        return [with_values(each, task_id, token) for each in part[:1]]
    if not isinstance(part, dict):
        return part
    values: Json = {"id": task_id, "token": token, "ids": [task_id]}
    return {name: values.get(name, with_values(value, task_id, token)) for name, value in part.items()}


def prepared(client: httpx.Client, state: str) -> tuple[str, str]:
    """Make a task in this state; return its id, and the token of its lease or one of nobody."""
    task_id = new_task(client, labels=["print"])
    token = token_of(client, task_id) if state != "open" else str(uuid.uuid4())
    if state == "done":
        client.post(f"/v1/tasks/{task_id}/complete", json={"token": token}).raise_for_status()
    return task_id, token


def send(client: httpx.Client, path: str, body: bytes, key: str) -> httpx.Response:
    headers = {"Idempotency-Key": key} | ({"Content-Type": "application/json"} if body else {})
    return client.post(path, content=body, headers=headers)


def first_success(client: httpx.Client, path: str, operation: Json, key: str) -> tuple[str, bytes, httpx.Response]:
    """Make the call on tasks of different states until one takes it."""
    for state in STATES:
        target, body = call_of(path, operation, *prepared(client, state))
        response = send(client, target, body, key)
        if response.is_success and response.status_code != 204:
            return target, body, response
    pytest.fail(f"POST {path} took none of {STATES}: {response.text}")


def written(database: psycopg.Connection) -> Any:
    """Return all that calls have written, apart from keys."""
    return database.execute(
        "select (select count(*) from history), (select array_agg((id, version) order by id) from tasks),"
        " (select array_agg((task_id, token, expires_at) order by task_id) from leases)"
    ).fetchone()


def test_it_works(client: httpx.Client, contract: Contract, database: psycopg.Connection) -> None:
    posts = {path: methods["post"] for path, methods in contract.document["paths"].items() if "post" in methods}
    honouring = {path: operation for path, operation in posts.items() if not path.endswith("/pulse")}
    assert len(honouring) >= 8
    for path, operation in honouring.items():
        assert [one["in"] for one in operation["parameters"] if one["name"] == "Idempotency-Key"] == ["header"], path
        key = str(uuid.uuid4())
        target, body, first = first_success(client, path, operation, key)
        assert "idempotency-replayed" not in first.headers, path
        before = written(database)
        again = send(client, target, body, key)
        assert again.headers.get("idempotency-replayed") == "true", path
        assert (again.status_code, again.content) == (first.status_code, first.content), path
        assert again.headers.get("etag") == first.headers.get("etag"), path
        assert problem(send(client, target, body + b" ", key)) == "idempotency-key-reused", path
        assert written(database) == before, path


@pytest.mark.parametrize("key", ["k", '"', "k" * 256])
def test_a_pulse_ignores_the_key_whatever_it_is(
    client: httpx.Client, contract: Contract, database: psycopg.Connection, key: str
) -> None:
    pulses = [path for path in contract.document["paths"] if path.endswith("/pulse")]
    assert pulses
    for path in pulses:
        target, body = call_of(path, contract.document["paths"][path]["post"], *prepared(client, "held"))
        for _ in range(2):
            before = written(database)
            response = send(client, target, body, key)
            assert response.status_code == 200, path
            assert "idempotency-replayed" not in response.headers, path
            assert written(database) != before, path

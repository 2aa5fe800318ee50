"""JSON that clients send: it is stored and sent back to the last digit, and its limit is that of what is stored."""

from collections.abc import Callable

import httpx
import psycopg
import pytest

from tests.support.leases import new_task, token_of
from tests.support.service import Service

JSON = {"Content-Type": "application/json"}
EXACT = '{"n":[1e308,-1E-308,1E+2,0.10,1.0,-0.0,123456789012345678901234567890.10],"t":[{"\\u00e9":"\\/é"}]}'
LIMIT = 16_384

Send = Callable[[httpx.Client, str, str], httpx.Response]


def complete(client: httpx.Client, task_id: str, result: str) -> httpx.Response:
    body = f'{{"token": "{token_of(client, task_id)}", "result": {result}}}'
    headers = {**JSON, "Idempotency-Key": f"complete-{task_id}"}
    path = f"/v1/tasks/{task_id}/complete"
    first = client.post(path, content=body, headers=headers)
    if first.is_success:
        again = client.post(path, content=body, headers=headers)
        assert (again.text, again.headers["idempotency-replayed"]) == (first.text, "true")
    return first


def create(client: httpx.Client, _: str, payload: str) -> httpx.Response:
    return client.post("/v1/tasks", content=f'{{"title": "x", "payload": {payload}}}', headers=JSON)


def create_many(client: httpx.Client, _: str, payload: str) -> httpx.Response:
    body = f'{{"tasks": [{{"title": "x", "payload": {payload}}}]}}'
    return client.post("/v1/tasks/batch", content=body, headers=JSON)


def patch(client: httpx.Client, task_id: str, payload: str) -> httpx.Response:
    return client.patch(f"/v1/tasks/{task_id}", content=f'{{"payload": {payload}}}', headers=JSON)


def patch_with_status(client: httpx.Client, task_id: str, payload: str) -> httpx.Response:
    return client.patch(f"/v1/tasks/{task_id}", content=f'{{"status": "done", "payload": {payload}}}', headers=JSON)


WAYS: list[Send] = [complete, create, create_many, patch, patch_with_status]


def changed_task(response: httpx.Response) -> str:
    assert response.is_success, response.text
    body = response.json()
    task_id: str = body["items"][0]["id"] if "items" in body else body["id"]
    return task_id


@pytest.mark.parametrize("send", WAYS)
def test_numbers_stay_as_they_were_sent(client: httpx.Client, service: Service, send: Send) -> None:
    task_id = changed_task(send(client, new_task(client), EXACT))
    assert EXACT in client.get(f"/v1/tasks/{task_id}/history").text
    headers = {"Authorization": f"Bearer {service.key}", "Accept": "text/event-stream"}
    with httpx.stream("GET", f"{service.url}/v1/events", params={"after": 0}, headers=headers) as stream:
        assert any(EXACT in line for line in stream.iter_lines() if f'"{task_id}"' in line)


@pytest.mark.parametrize("send", WAYS)
def test_the_limit_is_that_of_what_is_stored(client: httpx.Client, database: psycopg.Connection, send: Send) -> None:
    """16 KiB of `1e308` would be 700 KB with all their digits."""
    numbers = '{"n":[' + ",".join(["1e308"] * 2700) + "]"
    fits = numbers + ',"x":"' + "y" * (LIMIT - len(numbers) - 8) + '"}'
    assert len(fits) == LIMIT
    refused = send(client, new_task(client), fits.replace("yy", "yyy", 1)).json()
    assert "16385 bytes; it may have 16384" in refused["detail"]
    changed_task(send(client, new_task(client), fits.replace(",", " ,\n", 50)))
    row = database.execute("select max(greatest(length(before::text), length(after::text))) from history").fetchone()
    assert row is not None
    assert LIMIT < row[0] < LIMIT + 1000


def test_a_member_that_a_failure_adds_leaves_the_others_alone(
    client: httpx.Client, database: psycopg.Connection
) -> None:
    """The fields that changed keep their names, and a text stays one."""
    task_id = new_task(client)
    body = {"token": token_of(client, task_id), "error": '"1e308"\n'}
    assert client.post(f"/v1/tasks/{task_id}/fail", json=body).status_code == 200
    after = client.get(f"/v1/tasks/{task_id}/history").json()["items"][-1]["after"]
    assert after == {"status": "open", "attempts": 1, "worker": "w1", "error": '"1e308"\n'}

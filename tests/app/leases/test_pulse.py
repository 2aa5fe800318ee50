"""POST /v1/tasks/{id}/pulse."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.support.leases import claim, expire, history, new_task, problem, read, token_of
from tests.support.service import Service
from tests.support.waiting import eventually


def pulse(client: httpx.Client, task_id: str, token: str, **fields: object) -> httpx.Response:
    return client.post(f"/v1/tasks/{task_id}/pulse", json={"token": token} | fields)


def test_it_works(client: httpx.Client, database: psycopg.Connection) -> None:
    task_id = new_task(client)
    lease = claim(client, task_id)["lease"]
    before = client.get(f"/v1/tasks/{task_id}")
    response = pulse(client, task_id, lease["token"], progress=12.5, note="page 2")
    assert response.status_code == 200
    answer = response.json()
    assert answer.keys() == {"expires_at", "pulse_every_s", "cancel_requested"}
    assert answer["pulse_every_s"] == 20
    assert answer["cancel_requested"] is False
    assert datetime.fromisoformat(answer["expires_at"]) > datetime.fromisoformat(lease["expires_at"])
    assert datetime.fromisoformat(answer["expires_at"]) - datetime.now(UTC) <= timedelta(seconds=60)
    after = client.get(f"/v1/tasks/{task_id}")
    assert after.json() == before.json()
    assert after.headers["etag"] == before.headers["etag"]
    assert [row[0] for row in history(database, task_id)] == ["created", "claimed"]


def test_progress_and_note_stay_until_others_come(client: httpx.Client) -> None:
    task_id = new_task(client)
    token = token_of(client, task_id)
    pulse(client, task_id, token, progress=10, note="page 1")
    pulse(client, task_id, token, progress=20)
    lease = client.get(f"/v1/tasks/{task_id}/lease").json()
    assert (lease["progress"], lease["note"]) == (20, "page 1")


def test_a_late_pulse_counts_until_somebody_else_has_claimed(
    client: httpx.Client, database: psycopg.Connection
) -> None:
    task_id = new_task(client)
    token = token_of(client, task_id)
    expire(database, task_id)
    eventually(lambda: read(client, task_id)["attempts"] == 1)  # the sweeper notes it
    assert pulse(client, task_id, token).status_code == 200
    assert client.get(f"/v1/tasks/{task_id}/lease").json()["state"] == "live"
    expire(database, task_id)
    claim(client, task_id, "w2")
    response = pulse(client, task_id, token)
    assert response.status_code == 409
    assert problem(response) == "lease-lost"


@pytest.mark.parametrize("token", ["nonsense", "5e0d2f4c-3a52-4b1e-9a53-0f9b6f0f6c1d"])
def test_another_token_is_refused(client: httpx.Client, token: str) -> None:
    task_id = new_task(client)
    claim(client, task_id)
    assert problem(pulse(client, task_id, token)) == "lease-lost"


def test_a_finished_task_takes_no_pulse(client: httpx.Client) -> None:
    task_id = new_task(client)
    token = token_of(client, task_id)
    client.post(f"/v1/tasks/{task_id}/complete", json={"token": token})
    assert problem(pulse(client, task_id, token)) == "lease-lost"


def test_an_unknown_task_is_not_found(client: httpx.Client) -> None:
    assert problem(pulse(client, "01890a5d-ac96-774b-bcce-b302099a8057", "t")) == "not-found"


@pytest.mark.parametrize("progress", [-1, 100.5, "half"])
def test_progress_is_per_cent(client: httpx.Client, progress: object) -> None:
    response = pulse(client, new_task(client), "t", progress=progress)
    assert [error["pointer"] for error in response.json()["errors"]] == ["#/progress"]


def test_pulses_of_one_moment_share_a_statement_and_each_is_its_own(
    client: httpx.Client, database: psycopg.Connection
) -> None:
    """Among tokens that are good, two pulses of one task, tokens that are lost and tasks that are not there."""
    tasks = {task: token_of(client, task) for task in (new_task(client) for _ in range(24))}
    signs = [(task, token, 200) for task, token in tasks.items()] * 10
    signs += [(task, str(uuid4()), 409) for task in tasks] + [(str(uuid4()), str(uuid4()), 404) for _ in range(24)]
    random.shuffle(signs)

    def send(number: int) -> None:
        task, token, status = signs[number]
        answer = pulse(client, task, token, progress=number % 100, note=str(number))
        assert answer.status_code == status, answer.text

    with ThreadPoolExecutor(24) as workers:
        list(workers.map(send, range(len(signs))))
    rows = database.execute("select task_id::text, progress, note, xmin::text from leases").fetchall()
    for task, progress, note, _ in rows:
        assert signs[int(note)][::2] == (task, 200)
        assert progress == int(note) % 100
    assert len(rows) == len(tasks) > len({transaction for *_, transaction in rows})


def test_a_pulse_that_waits_for_a_lock_holds_up_no_other(client: httpx.Client, service: Service) -> None:
    tasks = {task: token_of(client, task) for task in (new_task(client) for _ in range(12))}
    locked = next(iter(tasks))

    def send(task: str) -> int:
        return pulse(client, task, tasks[task]).status_code

    with ThreadPoolExecutor(24) as workers, psycopg.connect(service.conninfo) as holder:
        holder.execute("select from leases where task_id = %s for update", [locked])
        waiting = workers.submit(send, locked)
        assert set(workers.map(send, [task for task in tasks if task != locked] * 5)) == {200}
        assert not waiting.done()
        holder.rollback()
        assert waiting.result(timeout=60) == 200

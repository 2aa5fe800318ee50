"""POST /v1/tasks/{id}/complete, fail, release, requeue, and GET lease."""

from typing import Any

import httpx
import psycopg
import pytest

from tests.support.leases import Json, claim, expire, history, new_task, problem, read, token_of
from tests.support.waiting import eventually


def call(client: httpx.Client, task_id: str, name: str, **body: Any) -> httpx.Response:
    return client.post(f"/v1/tasks/{task_id}/{name}", json=body)


def wait_for_status(client: httpx.Client, task_id: str, status: str) -> Json:
    eventually(lambda: read(client, task_id)["status"] == status)
    return read(client, task_id)


def wait_for_the_sweeper(client: httpx.Client, task_id: str) -> None:
    """Return once it has noted that the lease of the first attempt has expired."""
    eventually(lambda: read(client, task_id)["attempts"] == 1)


class TestComplete:
    def test_it_works(self, client: httpx.Client, database: psycopg.Connection) -> None:
        task_id = new_task(client)
        token = token_of(client, task_id)
        response = call(client, task_id, "complete", token=token, result={"pages": 10})
        assert response.status_code == 200
        task = response.json()
        assert task == read(client, task_id)
        assert (task["status"], task["attempts"], task["fence"]) == ("done", 0, 1)
        assert response.headers["etag"] == f'"{task["version"]}"'
        action, _, before, after = history(database, task_id)[-1]
        assert (action, before["status"], after["status"]) == ("completed", "in_progress", "done")
        assert (after["worker"], after["result"]) == ("w1", {"pages": 10})

    def test_the_same_token_again_answers_the_same(self, client: httpx.Client) -> None:
        task_id = new_task(client)
        token = token_of(client, task_id)
        first = call(client, task_id, "complete", token=token)
        again = call(client, task_id, "complete", token=token)
        assert (again.status_code, again.json()) == (200, first.json())

    def test_a_late_one_counts_until_somebody_else_has_claimed(
        self, client: httpx.Client, database: psycopg.Connection
    ) -> None:
        late, lost = new_task(client), new_task(client)
        tokens = [token_of(client, task_id) for task_id in (late, lost)]
        expire(database, late)
        expire(database, lost)
        claim(client, lost, "w2")
        assert call(client, late, "complete", token=tokens[0]).status_code == 200
        assert problem(call(client, lost, "complete", token=tokens[1])) == "lease-lost"

    def test_a_finished_task_is_refused(self, client: httpx.Client) -> None:
        task_id = new_task(client)
        token = token_of(client, task_id)
        call(client, task_id, "complete", token=token)
        assert problem(call(client, task_id, "complete", token="another")) == "task-finished"

    def test_after_a_requeue_the_old_token_is_lost(self, client: httpx.Client) -> None:
        task_id = new_task(client)
        token = token_of(client, task_id)
        call(client, task_id, "complete", token=token)
        client.post(f"/v1/tasks/{task_id}/requeue")
        assert problem(call(client, task_id, "complete", token=token)) == "lease-lost"

    def test_a_result_may_have_16_kib(self, client: httpx.Client) -> None:
        task_id = new_task(client)
        token = token_of(client, task_id)
        response = call(client, task_id, "complete", token=token, result={"text": "x" * 16_384})
        assert [error["pointer"] for error in response.json()["errors"]] == ["#/result"]
        assert call(client, task_id, "complete", token=token, result={"text": "x" * 16_000}).status_code == 200

    @pytest.mark.parametrize("result", ["text", 7, [1, None], None, {"a": {}}])
    def test_a_result_is_any_json(self, client: httpx.Client, database: psycopg.Connection, result: object) -> None:
        task_id = new_task(client)
        assert call(client, task_id, "complete", token=token_of(client, task_id), result=result).status_code == 200
        assert history(database, task_id)[-1][3].get("result") == result
        assert read(client, task_id)["result"] == result
        assert client.get("/v1/tasks?status=done").json()["items"][0]["result"] == result

    @pytest.mark.parametrize("reopen", ["requeue", "status"])
    def test_a_task_that_is_open_again_has_no_result(self, client: httpx.Client, reopen: str) -> None:
        task_id = new_task(client)
        done = call(client, task_id, "complete", token=token_of(client, task_id), result={"pages": 10}).json()
        assert done["result"] == {"pages": 10}
        if reopen == "requeue":
            task = client.post(f"/v1/tasks/{task_id}/requeue").json()
        else:
            task = client.patch(f"/v1/tasks/{task_id}", json={"status": "open"}).json()
        assert (task["status"], task["result"]) == ("open", None)
        completed, reopened = client.get(f"/v1/tasks/{task_id}/history").json()["items"][-2:]
        assert (completed["before"]["result"], completed["after"]["result"]) == (None, {"pages": 10})
        assert (reopened["before"]["result"], reopened["after"]["result"]) == ({"pages": 10}, None)
        assert client.patch(f"/v1/tasks/{task_id}", json={"status": "done"}).json()["result"] is None

    def test_a_change_of_a_done_task_keeps_the_result(self, client: httpx.Client) -> None:
        task_id = new_task(client)
        call(client, task_id, "complete", token=token_of(client, task_id), result=7)
        for patch in ({"title": "Other"}, {"status": "done", "title": "Third"}):
            assert client.patch(f"/v1/tasks/{task_id}", json=patch).json()["result"] == 7

    def test_a_result_stays_as_it_was_sent(self, client: httpx.Client) -> None:
        task_id = new_task(client)
        exact = '{"n":[0.10,1e308,123456789012345678901234567890.10]}'
        body = f'{{"token": "{token_of(client, task_id)}", "result": {exact}}}'
        path, headers = f"/v1/tasks/{task_id}", {"Content-Type": "application/json"}
        assert f'"result":{exact}' in client.post(f"{path}/complete", content=body, headers=headers).text
        for text in (client.get(path).text, client.get("/v1/tasks").text, client.get(f"{path}/history").text):
            assert exact in text

    def test_the_idempotency_key_is_honoured(self, client: httpx.Client) -> None:
        task_id = new_task(client)
        body, headers = {"token": token_of(client, task_id)}, {"Idempotency-Key": f"complete-{task_id}"}
        client.post(f"/v1/tasks/{task_id}/complete", json=body, headers=headers)
        again = client.post(f"/v1/tasks/{task_id}/complete", json=body, headers=headers)
        assert again.status_code == 200
        assert again.headers["idempotency-replayed"] == "true"


class TestFail:
    def test_it_works(self, client: httpx.Client, database: psycopg.Connection) -> None:
        task_id = new_task(client, max_attempts=2)
        task = call(client, task_id, "fail", token=token_of(client, task_id), error="paper").json()
        assert (task["status"], task["attempts"], task["finished_at"]) == ("open", 1, None)
        lease = claim(client, task_id)["lease"]
        assert (lease["attempt"], lease["fence"]) == (2, 2)
        task = call(client, task_id, "fail", token=lease["token"], error="paper again").json()
        assert (task["status"], task["attempts"]) == ("failed", 2)
        assert task["finished_at"] is not None
        action, _, _, after = history(database, task_id)[-1]
        assert (action, after["status"], after["error"]) == ("failed", "failed", "paper again")

    def test_a_pause_keeps_everybody_off(self, client: httpx.Client) -> None:
        task_id = new_task(client)
        call(client, task_id, "fail", token=token_of(client, task_id), error="paper", retry_in_s=60)
        response = call(client, task_id, "claim", worker="w2", ttl_s=9)
        assert problem(response) == "task-claimed"
        assert 55 <= int(response.headers["retry-after"]) <= 60
        assert client.post("/v1/tasks/claim", json={"worker": "w2", "ttl_s": 9}).status_code == 204


class TestRelease:
    def test_it_works(self, client: httpx.Client, database: psycopg.Connection) -> None:
        task_id = new_task(client)
        task = call(client, task_id, "release", token=token_of(client, task_id)).json()
        assert (task["status"], task["attempts"], task["fence"]) == ("open", 0, 1)
        assert history(database, task_id)[-1][0] == "released"
        assert client.get(f"/v1/tasks/{task_id}/lease").status_code == 404

    def test_it_gives_an_attempt_back_that_expired(self, client: httpx.Client, database: psycopg.Connection) -> None:
        task_id = new_task(client)
        token = token_of(client, task_id)
        expire(database, task_id)
        wait_for_the_sweeper(client, task_id)
        assert call(client, task_id, "release", token=token).json()["attempts"] == 0


class TestAgain:
    """The answer was lost, and the worker asks again."""

    @pytest.mark.parametrize("name", ["fail", "release"])
    def test_the_same_token_gets_the_present_task(self, client: httpx.Client, name: str) -> None:
        task_id = new_task(client)
        body = {"token": token_of(client, task_id)} | ({"error": "paper"} if name == "fail" else {})
        first = call(client, task_id, name, **body)
        again = call(client, task_id, name, **body)
        assert (again.status_code, again.json()) == (200, first.json())
        assert again.headers["etag"] == first.headers["etag"]
        renamed = client.patch(f"/v1/tasks/{task_id}", json={"title": "Renamed"}).json()
        assert call(client, task_id, name, **body).json() == renamed

    def test_once_somebody_has_claimed_it_the_lease_is_lost(self, client: httpx.Client) -> None:
        task_id = new_task(client)
        token = token_of(client, task_id)
        call(client, task_id, "fail", token=token, error="paper")
        other = token_of(client, task_id)
        assert problem(call(client, task_id, "fail", token=token, error="paper")) == "lease-lost"
        assert call(client, task_id, "complete", token=other).status_code == 200
        assert problem(call(client, task_id, "release", token=token)) == "task-finished"

    def test_who_completed_it_cannot_fail_it(self, client: httpx.Client) -> None:
        task_id = new_task(client)
        token = token_of(client, task_id)
        call(client, task_id, "complete", token=token)
        assert problem(call(client, task_id, "fail", token=token, error="paper")) == "task-finished"
        assert call(client, task_id, "complete", token=token).status_code == 200

    def test_who_failed_it_cannot_complete_it(self, client: httpx.Client) -> None:
        task_id = new_task(client)
        token = token_of(client, task_id)
        call(client, task_id, "fail", token=token, error="paper")
        assert problem(call(client, task_id, "complete", token=token)) == "lease-lost"


class TestRequeue:
    @pytest.mark.parametrize("status", ["done", "cancelled", "failed"])
    def test_it_works(self, client: httpx.Client, status: str) -> None:
        task_id = new_task(client, status=status)
        response = client.post(f"/v1/tasks/{task_id}/requeue")
        assert response.status_code == 200
        task = response.json()
        assert (task["status"], task["attempts"], task["finished_at"]) == ("open", 0, None)
        assert task == read(client, task_id)

    def test_fences_go_on(self, client: httpx.Client) -> None:
        task_id = new_task(client, max_attempts=1)
        call(client, task_id, "fail", token=token_of(client, task_id), error="paper")
        client.post(f"/v1/tasks/{task_id}/requeue")
        lease = claim(client, task_id)["lease"]
        assert (lease["fence"], lease["attempt"]) == (2, 1)

    def test_an_open_task_stays_as_it_is(self, client: httpx.Client) -> None:
        task_id = new_task(client)
        assert client.post(f"/v1/tasks/{task_id}/requeue").json()["version"] == 1

    def test_a_held_task_is_refused(self, client: httpx.Client) -> None:
        task_id = new_task(client)
        claim(client, task_id)
        response = client.post(f"/v1/tasks/{task_id}/requeue")
        assert problem(response) == "task-claimed"
        assert 55 <= int(response.headers["retry-after"]) <= 60


class TestLease:
    def test_it_works(self, client: httpx.Client, database: psycopg.Connection) -> None:
        task_id = new_task(client)
        assert problem(client.get(f"/v1/tasks/{task_id}/lease")) == "not-found"
        granted = claim(client, task_id)["lease"]
        lease = client.get(f"/v1/tasks/{task_id}/lease").json()
        assert "token" not in lease
        assert granted["token"] not in str(lease)
        assert (lease["worker"], lease["attempt"], lease["fence"], lease["state"]) == ("w1", 1, 1, "live")
        assert lease["expires_at"] == granted["expires_at"]
        assert (lease["progress"], lease["note"]) == (None, None)
        expire(database, task_id)
        assert client.get(f"/v1/tasks/{task_id}/lease").json()["state"] == "expired"


class TestSweeper:
    def test_a_last_attempt_fails_after_the_grace(self, client: httpx.Client, database: psycopg.Connection) -> None:
        task_id = new_task(client, max_attempts=1)
        token = token_of(client, task_id)
        expire(database, task_id, seconds_ago=25)
        wait_for_the_sweeper(client, task_id)
        database.execute("update leases set expires_at = now() - interval '31 s' where task_id = %s", [task_id])
        task = wait_for_status(client, task_id, "failed")
        assert (task["attempts"], task["finished_at"] is None) == (1, False)
        # An expiry of its own shows that the sweeper saw the task within the grace, and did not fail it.
        assert [row[0] for row in history(database, task_id)] == ["created", "claimed", "expired", "failed"]
        assert problem(call(client, task_id, "complete", token=token)) == "task-finished"

    def test_a_late_complete_within_the_grace_wins(self, client: httpx.Client, database: psycopg.Connection) -> None:
        task_id = new_task(client, max_attempts=1)
        token = token_of(client, task_id)
        expire(database, task_id, seconds_ago=10)
        wait_for_the_sweeper(client, task_id)
        assert call(client, task_id, "complete", token=token).json()["status"] == "done"

    def test_an_expiry_is_written_once(self, client: httpx.Client, database: psycopg.Connection) -> None:
        task_id = new_task(client)
        token = token_of(client, task_id)
        for _ in range(2):
            expire(database, task_id)
            later = new_task(client)  # the sweeper takes the leases in the order of their expiry
            claim(client, later)
            expire(database, later)
            wait_for_the_sweeper(client, later)
            assert call(client, task_id, "pulse", token=token).status_code == 200
        rows = history(database, task_id)
        assert [row[:2] for row in rows] == [("created", 1), ("claimed", 2), ("expired", 3)]
        assert rows[-1][2:] == ({"attempts": 0}, {"attempts": 1, "worker": "w1"})


class TestCancel:
    def cancel(self, client: httpx.Client, task_id: str) -> Json:
        response = client.patch(f"/v1/tasks/{task_id}", json={"status": "cancelled"})
        assert response.status_code == 200
        task: Json = response.json()
        return task

    def test_the_pulse_tells_the_worker(self, client: httpx.Client) -> None:
        task_id = new_task(client)
        token = token_of(client, task_id)
        task = self.cancel(client, task_id)
        assert (task["status"], task["cancel_requested"], task["version"]) == ("in_progress", True, 3)
        assert self.cancel(client, task_id)["version"] == 3
        assert call(client, task_id, "pulse", token=token).json()["cancel_requested"] is True
        task = call(client, task_id, "release", token=token).json()
        assert (task["status"], task["cancel_requested"]) == ("cancelled", False)

    def test_a_fail_makes_it_cancelled(self, client: httpx.Client) -> None:
        task_id = new_task(client)
        token = token_of(client, task_id)
        self.cancel(client, task_id)
        assert call(client, task_id, "fail", token=token, error="stopped").json()["status"] == "cancelled"

    def test_a_complete_still_makes_it_done(self, client: httpx.Client) -> None:
        task_id = new_task(client)
        token = token_of(client, task_id)
        self.cancel(client, task_id)
        assert call(client, task_id, "complete", token=token).json()["status"] == "done"

    def test_the_expiry_makes_it_cancelled(self, client: httpx.Client, database: psycopg.Connection) -> None:
        task_id = new_task(client)
        claim(client, task_id)
        self.cancel(client, task_id)
        expire(database, task_id)
        assert problem(call(client, task_id, "claim", worker="w2", ttl_s=9)) in {"task-claimed", "task-finished"}
        wait_for_status(client, task_id, "cancelled")

    @pytest.mark.parametrize("status", ["open", "in_progress", "done", "failed"])
    def test_any_other_status_is_refused_while_a_worker_holds_the_task(self, client: httpx.Client, status: str) -> None:
        task_id = new_task(client)
        claim(client, task_id)
        response = client.patch(f"/v1/tasks/{task_id}", json={"status": status, "title": "Other"})
        assert (response.status_code, problem(response)) == (409, "task-claimed")
        assert read(client, task_id)["title"] == "Work"

    def test_properties_can_be_edited_without_a_token(self, client: httpx.Client) -> None:
        task_id = new_task(client)
        token = token_of(client, task_id)
        assert client.patch(f"/v1/tasks/{task_id}", json={"title": "Other"}).json()["title"] == "Other"
        assert call(client, task_id, "complete", token=token).json()["title"] == "Other"

    def test_a_held_task_cannot_be_deleted(self, client: httpx.Client, database: psycopg.Connection) -> None:
        task_id = new_task(client)
        claim(client, task_id)
        response = client.delete(f"/v1/tasks/{task_id}")
        assert (response.status_code, problem(response)) == (409, "task-claimed")
        assert int(response.headers["retry-after"]) > 0
        expire(database, task_id)
        assert client.delete(f"/v1/tasks/{task_id}").status_code == 204

    def test_once_expired_the_status_is_free_and_the_lease_over(
        self, client: httpx.Client, database: psycopg.Connection
    ) -> None:
        task_id = new_task(client)
        token = token_of(client, task_id)
        expire(database, task_id)
        assert client.patch(f"/v1/tasks/{task_id}", json={"status": "done"}).json()["status"] == "done"
        assert problem(call(client, task_id, "pulse", token=token)) == "lease-lost"

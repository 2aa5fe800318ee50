"""`taskpulse tasks cancel`, `requeue` and `delete`."""

from uuid import uuid4

import httpx
import pytest

from tests.support.command import on_a_terminal, run
from tests.support.leases import claim, new_task, read
from tests.support.service import Service


def statuses(client: httpx.Client) -> list[str]:
    """Return the status of each task, the oldest first."""
    items = client.get("/v1/tasks", params={"sort": "created_at", "limit": 200}).json()["items"]
    return [task["status"] for task in items]


def test_it_works(client: httpx.Client, service: Service) -> None:
    task = new_task(client)
    assert run(service, "tasks", "cancel", task) == (0, f"Task {task} cancelled.\n", "")
    assert read(client, task)["status"] == "cancelled"
    assert run(service, "tasks", "cancel", task) == (0, f"Task {task} cancelled.\n", "")
    assert read(client, task)["version"] == 2
    assert run(service, "tasks", "requeue", task) == (0, f"Task {task} requeued.\n", "")
    assert read(client, task)["status"] == "open"
    assert run(service, "tasks", "delete", task) == (0, f"Task {task} deleted.\n", "")
    assert client.get(f"/v1/tasks/{task}").status_code == 404


def test_a_task_that_a_worker_holds(client: httpx.Client, service: Service) -> None:
    task = new_task(client)
    claim(client, task)
    refused = run(service, "tasks", "delete", task)
    assert refused.status == 1
    assert "answers 409: " in refused.errors
    assert refused.errors.endswith("`taskpulse tasks cancel ID` asks its worker to stop.\n")
    assert run(service, "tasks", "cancel", task) == (0, f"Asked the worker of task {task} to stop.\n", "")
    assert read(client, task)["cancel_requested"] is True


def test_a_finished_task_is_not_cancelled(client: httpx.Client, service: Service) -> None:
    task = new_task(client, status="done")
    assert run(service, "tasks", "cancel", task) == (
        1,
        "",
        f"Error: task {task} is done already, so there is nothing to cancel.\n",
    )
    assert read(client, task)["status"] == "done"


def test_one_that_fails_does_not_keep_the_others(client: httpx.Client, service: Service) -> None:
    first, second, gone = new_task(client), new_task(client), str(uuid4())
    shown = run(service, "tasks", "delete", first, gone, second)
    assert shown.status == 1
    assert shown.output == f"Task {first} deleted.\nTask {second} deleted.\n"
    assert f"Error: {service.url}/v1/tasks/{gone} answers 404: " in shown.errors
    assert "`taskpulse tasks list` shows ids" in shown.errors


def test_all_that_match(client: httpx.Client, service: Service) -> None:
    failed = [{"title": "F", "status": "failed", "labels": ["print"]}] * 3
    client.post("/v1/tasks/batch", json={"tasks": [*failed, {"title": "Open"}]}).raise_for_status()
    dry = run(service, "tasks", "requeue", "--status", "failed", "--label", "print", "--dry-run")
    assert dry == (0, "3 tasks would be requeued.\n", "")
    some = run(service, "tasks", "requeue", "--status", "failed", "--limit", "2", "--yes")
    assert some == (0, "2 tasks requeued.\n", "")
    assert statuses(client) == ["open", "open", "failed", "open"]
    asked = run(service, "tasks", "delete", "--overdue", "false")
    assert asked.status == 2
    assert "4 tasks would be deleted: add --yes" in asked.errors
    assert len(statuses(client)) == 4
    assert run(service, "tasks", "cancel", "--ready", "--yes") == (0, "3 tasks cancelled.\n", "")
    assert run(service, "tasks", "cancel", "--ready") == (0, "Nothing to cancel.\n", "")
    assert statuses(client) == ["cancelled", "cancelled", "failed", "cancelled"]


def test_more_than_one_call_changes(client: httpx.Client, service: Service) -> None:
    for _ in range(2):
        client.post("/v1/tasks/batch", json={"tasks": [{"title": "Many", "labels": ["many"]}] * 600}).raise_for_status()
    held = client.post("/v1/tasks/claim", json={"worker": "w1", "ttl_s": 60}).json()["items"][0]["task"]["id"]
    dry = run(service, "tasks", "delete", "--label", "many", "--dry-run")
    assert dry.output == "more than 1,000 tasks would be deleted.\n"
    ended = on_a_terminal(service, "tasks", "delete", "--label", "many", types="y\n")
    assert ended.status == 0
    assert "Delete more than 1,000 tasks? [y/N]: " in ended.output
    assert "1,199 deleted" in ended.output
    assert ended.output.endswith("1,199 tasks deleted (1 skipped).\n")
    assert [task["id"] for task in client.get("/v1/tasks").json()["items"]] == [held]


def test_a_person_can_say_no(client: httpx.Client, service: Service) -> None:
    new_task(client, labels=["a"])
    ended = on_a_terminal(service, "tasks", "delete", "--label", "a", types="n\n")
    assert ended.status == 1
    assert "Delete 1 task? [y/N]: " in ended.output
    assert "Traceback" not in ended.output
    assert statuses(client) == ["open"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "Say which tasks to delete"),
        ([str(uuid4()), "--status", "open"], "Say which tasks to delete"),
        ([str(uuid4()), "--dry-run"], "--limit and --dry-run are for filters"),
        (["../queues/x"], "is not a valid UUID"),
    ],
)
def test_wrong_arguments(client: httpx.Client, service: Service, options: list[str], said: str) -> None:
    new_task(client)
    refused = run(service, "tasks", "delete", *options)
    assert refused.status == 2
    assert said in refused.errors
    assert len(statuses(client)) == 1

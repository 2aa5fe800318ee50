"""`taskpulse tasks create` and `taskpulse tasks edit`."""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.command import run
from tests.support.leases import claim, new_task, read
from tests.support.service import Service


def test_it_works(client: httpx.Client, service: Service) -> None:
    created = run(service, "tasks", "create", "--title", "Print\x1b[2J", "--label", "print")
    [task] = client.get("/v1/tasks").json()["items"]
    assert created == (0, f"Created task {task['id']}: Print?[2J\n", "")
    assert (task["title"], task["labels"]) == ("Print\x1b[2J", ["print"])
    edited = run(service, "tasks", "edit", task["id"], "--title", "Print twice")
    assert edited == (0, f"Changed task {task['id']}: Print twice\n", "")
    assert read(client, task["id"])["title"] == "Print twice"


FIELDS: dict[str, Any] = {
    "description": "All of them",
    "priority": "high",
    "assignee": "kim",
    "labels": ["a", "b"],
    "due_at": "2029-12-31T23:00:00.000000Z",
    "run_after": "2029-01-01T00:00:00.000000Z",
    "max_attempts": 5,
    "unique_key": "k",
    "payload": {"n": 1.5},
    "retry": {"backoff_s": 7, "factor": 2, "max_s": 3600},
}


def test_every_field(client: httpx.Client, service: Service) -> None:
    options = ["--description=All of them", "--priority=high", "--assignee=kim", "--label=a", "--label=b"]
    options += ["--due-at=2030-01-01T00:00:00+01:00", "--run-after=2029-01-01T00:00:00Z", "--max-attempts=5"]
    options += ["--unique-key=k", '--payload={"n": 1.50}', '--retry={"backoff_s": 7}']
    shown = run(service, "tasks", "create", "--title", "Full", *options, "--output", "json")
    assert '"n": 1.50' in shown.output
    task = json.loads(shown.output)
    assert task == read(client, task["id"])
    assert {name: task[name] for name in FIELDS} == FIELDS
    cleared = run(service, "tasks", "edit", task["id"], *(f"--clear={name}" for name in FIELDS), "--output", "ndjson")
    default = read(client, new_task(client))
    assert {name: json.loads(cleared.output)[name] for name in FIELDS} == {name: default[name] for name in FIELDS}


def test_the_same_key_creates_one_task(client: httpx.Client, service: Service) -> None:
    arguments = ["tasks", "create", "--title", "Once", "--idempotency-key", str(uuid4())]
    assert run(service, *arguments) == run(service, *arguments)
    assert len(client.get("/v1/tasks").json()["items"]) == 1
    other = run(service, *arguments, "--priority", "high")
    assert other.status == 1
    assert f"Error: {service.url}/v1/tasks answers 422: " in other.errors
    assert other.errors.endswith("Take a new --idempotency-key for each new task.\n")


def test_a_unique_key_that_is_held(client: httpx.Client, service: Service) -> None:
    task = new_task(client, title="First", unique_key="invoice-17")
    shown = run(service, "tasks", "create", "--title", "Second", "--unique-key", "invoice-17")
    assert shown == (0, f"This task has the unique key: {task}: First\n", "")


def test_labels_are_added_and_removed(client: httpx.Client, service: Service) -> None:
    task = new_task(client, labels=["a", "b"])
    options = ["--add-label", "c", "--add-label", "a", "--remove-label", "b", "--remove-label", "z"]
    assert run(service, "tasks", "edit", task, *options).status == 0
    assert read(client, task)["labels"] == ["a", "c"]


def test_payload_is_merged(client: httpx.Client, service: Service) -> None:
    task = new_task(client, payload={"a": 1, "b": 2})
    assert run(service, "tasks", "edit", task, "--payload", '{"b": null, "c": 12345678901234567890}').status == 0
    assert read(client, task)["payload"] == {"a": 1, "c": 12345678901234567890}


def test_another_version_is_refused(client: httpx.Client, service: Service) -> None:
    task = new_task(client)
    assert run(service, "tasks", "edit", task, "--priority", "high", "--if-version", "1").status == 0
    refused = run(service, "tasks", "edit", task, "--priority", "low", "--if-version", "1")
    assert refused.status == 1
    assert refused.errors.startswith(f"Error: {service.url}/v1/tasks/{task} answers 412: ")
    assert "Look at what has changed" in refused.errors
    assert read(client, task)["priority"] == "high"


def test_a_task_that_a_worker_holds(client: httpx.Client, service: Service) -> None:
    task = new_task(client)
    claim(client, task)
    refused = run(service, "tasks", "edit", task, "--status", "done")
    assert refused.status == 1
    assert f"/v1/tasks/{task} answers 409: " in refused.errors
    assert "`taskpulse tasks cancel ID` asks its worker to stop." in refused.errors


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "Say what to change"),
        (["--priority", "low", "--clear", "priority"], "priority is both set and cleared"),
        (["--add-label", "a", "--clear", "labels"], "both cleared and changed"),
        (["--payload", "{"], "is not JSON"),
        (["--payload", "[" * 100_000], "is not JSON"),
        (["--due-at", "2030-01-01"], "is not a time with an offset"),
        (["--due-at", "2030-01-01T00:00:00"], "is not a time with an offset"),
        (["--priority", "urgently"], "is not one of"),
        (["--clear", "title"], "is not one of"),
    ],
)
def test_wrong_arguments(client: httpx.Client, service: Service, options: list[str], said: str) -> None:
    task = new_task(client)
    refused = run(service, "tasks", "edit", task, *options)
    assert refused.status == 2
    assert said in refused.errors
    assert read(client, task)["version"] == 1


def test_what_the_api_refuses_names_the_field(client: httpx.Client, service: Service) -> None:
    refused = run(service, "tasks", "create", "--title", "x" * 201, "--retry", '{"backoff": 1}')
    assert refused.status == 1
    assert f"Error: {service.url}/v1/tasks answers 400: " in refused.errors
    assert "#/retry" in refused.errors
    assert client.get("/v1/tasks").json()["items"] == []

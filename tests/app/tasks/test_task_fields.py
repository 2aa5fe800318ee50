"""Every field of a task stands in every place that must know it; a new one is added to all of them."""

import re
from collections.abc import Iterable
from typing import Any

import httpx
import pytest

from app.tasks.model import NewTask, Task, TaskPatch
from app.tasks.update import FIELDS
from delivery.checkout import ROOT

VALUES: dict[str, Any] = {
    "title": "Count stock",
    "description": "All of it.\n\nTwice.",
    "status": "in_progress",
    "priority": "urgent",
    "assignee": "alice",
    "labels": ["b", "a"],
    "due_at": "2027-03-01T08:30:00.250000Z",
    "run_after": "2037-01-01T06:00:00.500000Z",
    "payload": {"shelves": [1, 2], "exact": True},
    "max_attempts": 7,
    "retry": {"backoff_s": 60, "factor": 1.5, "max_s": 600},
    "unique_key": "stock of 2027",
}
"""A value for each field that clients write, other than what a new task has."""
WRITABLE = set(NewTask.__struct_fields__)
READ_ONLY = {
    "id",
    "claimable_at",
    "attempts",
    "fence",
    "cancel_requested",
    "result",
    "created_at",
    "updated_at",
    "finished_at",
    "version",
}
"""The fields that the service alone writes."""
NOT_IN_HISTORY = {"id", "created_at", "updated_at", "version"}
"""The fields that never change, or with every change."""


def _in_sql(file: str, pattern: str) -> list[str]:
    return re.findall(pattern, (ROOT / "app/postgres/sql" / file).read_text())


PLACES: dict[str, tuple[Iterable[str], set[str]]] = {
    "Task in app/tasks/model.py": (Task.__struct_fields__, WRITABLE | READ_ONLY),
    "TaskPatch in app/tasks/model.py": (TaskPatch.__struct_fields__, WRITABLE),
    "app/postgres/sql/tasks/insert_tasks.sql": (
        _in_sql("tasks/insert_tasks.sql", r"insert into tasks \((.+)\)")[0].split(", "),
        WRITABLE | {"id", "claimable_at", "finished_at"},
    ),
    "app/postgres/sql/tasks/update_tasks.toml": (FIELDS, WRITABLE - {"status"}),
    "app/postgres/sql/fragments/task_text.sql": (_in_sql("fragments/task_text.sql", r'"(\w+)":'), WRITABLE | READ_ONLY),
    "app/postgres/sql/fragments/difference.sql": (
        _in_sql("fragments/difference.sql", r"\('(\w+)', "),
        (WRITABLE | READ_ONLY) - NOT_IN_HISTORY,
    ),
    "VALUES in tests/app/tasks/test_task_fields.py": (VALUES, WRITABLE),
}
"""The fields that stand in a place, and those that should."""


@pytest.mark.parametrize("place", PLACES)
def test_no_field_is_missing_in(place: str) -> None:
    found, expected = PLACES[place]
    missing, unknown = expected.difference(found), {*found} - expected
    assert not missing, f"{place} lacks {', '.join(sorted(missing))}"
    assert not unknown, f"{place} has {', '.join(sorted(unknown))}, which neither NewTask nor READ_ONLY has"


def test_a_task_is_created_with_every_field(client: httpx.Client) -> None:
    created = client.post("/v1/tasks", json=VALUES)
    assert {name: created.json()[name] for name in VALUES} == VALUES
    assert client.get(created.headers["location"]).json() == created.json()


@pytest.mark.parametrize("name", sorted(VALUES.keys() - {"title", "status"}))
def test_null_puts_a_field_back_to_its_default(client: httpx.Client, name: str) -> None:
    default = client.post("/v1/tasks", json={"title": "x"}).json()[name]
    before = client.post("/v1/tasks", json=VALUES | {"status": "open"}).json()
    after = client.patch(f"/v1/tasks/{before['id']}", json={name: None}).json()
    follows = {"claimable_at": None} if name == "run_after" else {}
    assert after == before | follows | {name: default, "version": 2, "updated_at": after["updated_at"]}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("status", [{}, {"status": "cancelled"}], ids=["update_tasks", "update_task_status"])
def test_a_change_is_made_and_stands_in_the_history(client: httpx.Client, name: str, status: dict[str, str]) -> None:
    before = client.post("/v1/tasks", json={"title": "x"}).json()
    path = f"/v1/tasks/{before['id']}"
    patch = {name: VALUES[name]} | status
    response = client.patch(path, json=patch)
    assert response.status_code == 200, response.text
    assert {changed: response.json()[changed] for changed in patch} == patch
    last = client.get(f"{path}/history").json()["items"][-1]
    for changed in patch:
        assert (last["before"][changed], last["after"][changed]) == (before[changed], patch[changed])

"""PATCH is RFC 7396, whatever comes; and of two changes based on one version only one is made."""

import json
import threading
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.service import Service

DEFAULTS: dict[str, Any] = {
    "description": None,
    "priority": "normal",
    "assignee": None,
    "labels": [],
    "due_at": None,
    "payload": {},
    "max_attempts": 3,
}
"""What null puts a field back to: the documented departure from the RFC, where it would remove the field."""

text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
some_text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=8)
names = st.sampled_from(["", "a", "b", "a/b", "~", "é"])
scalars = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | text
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3))
patches = st.fixed_dictionaries(
    {},
    optional={
        "title": some_text,
        "description": st.none() | text,
        "status": st.sampled_from(["open", "in_progress", "done", "cancelled", "failed"]),
        "priority": st.none() | st.sampled_from(["low", "normal", "high", "urgent"]),
        "assignee": st.none() | some_text,
        "labels": st.none() | st.lists(some_text, max_size=3, unique=True),
        "due_at": st.none() | st.datetimes().map(lambda time: f"{time:%Y-%m-%dT%H:%M:%S.%fZ}".zfill(27)),
        "payload": st.none() | st.dictionaries(names, values, max_size=3),
        "max_attempts": st.none() | st.integers(1, 1000),
    },
)


def exact(task: dict[str, Any]) -> dict[str, str]:
    """Return each field as JSON, where 1, 1.0 and true are not the same as they are in Python."""
    return {name: json.dumps(value) for name, value in task.items()}


def merge_patch(target: Any, patch: Any) -> Any:
    """The pseudocode of RFC 7396, section 2."""
    if not isinstance(patch, dict):
        return patch
    if not isinstance(target, dict):
        target = {}
    merged = dict(target)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(sequence=st.lists(patches, min_size=1, max_size=6))
def test_any_sequence_of_patches_is_rfc_7396_on_a_dict(client: httpx.Client, sequence: list[dict[str, Any]]) -> None:
    created = client.post("/v1/tasks", json={"title": "x"})
    task = {name: created.json()[name] for name in ("title", "status", *DEFAULTS)}
    version = 1
    for patch in sequence:
        merged = DEFAULTS | merge_patch(task, patch)
        version += exact(merged) != exact(task)
        task = merged
        response = client.patch(created.headers["location"], json=patch)
        answer = response.json()
        assert exact({name: answer[name] for name in task}) == exact(task)
        assert (answer["version"], response.headers["etag"]) == (version, f'"{version}"')
        assert (answer["finished_at"] is not None) == (task["status"] in ("done", "cancelled", "failed"))
    assert client.get(created.headers["location"]).json() == answer


@pytest.mark.parametrize("field", ["title", "payload"])
def test_of_two_patches_with_one_etag_exactly_one_wins(client: httpx.Client, service: Service, field: str) -> None:
    """Each round starts both at a barrier; a second pair of clients keeps them on connections of their own."""
    path = client.post("/v1/tasks", json={"title": "x"}).headers["location"]
    rounds, clients = 60, 4
    barrier = threading.Barrier(clients)
    answers: list[list[tuple[int, int]]] = [[] for _ in range(clients)]

    def contend(number: int) -> None:
        headers = {"Authorization": f"Bearer {service.key}"}
        with httpx.Client(base_url=service.url, headers=headers) as own:
            for turn in range(rounds):
                barrier.wait(30)
                value = f"{turn} by {number}"
                patch = {field: {"by": value} if field == "payload" else value}
                response = own.patch(path, json=patch, headers={"If-Match": f'"{turn + 1}"'})
                answers[number].append((response.status_code, response.json().get("version", 0)))

    threads = [threading.Thread(target=contend, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for turn in range(rounds):
        assert sorted(answer[turn] for answer in answers) == [(200, turn + 2)] + [(412, 0)] * (clients - 1)

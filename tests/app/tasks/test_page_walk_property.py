"""Walking the pages of a list while others insert, update and delete."""

from collections import Counter
from typing import Any, get_args

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.tasks.query import SortName
from tests.support.service import empty

LABELS = st.lists(st.sampled_from("abc"), unique=True, max_size=2)
FILTERS: list[dict[str, list[str]]] = [
    {},
    {"status": ["open"]},
    {"label": ["a"]},
    {"label": ["a", "b"]},
    {"label": ["a"], "status": ["open"]},
]
TIMES = [None, *(f"2026-01-0{day}T00:00:00Z" for day in range(1, 5))]

tasks = st.fixed_dictionaries(
    {"title": st.just("task"), "labels": LABELS},
    optional={
        "due_at": st.sampled_from(TIMES),
        "priority": st.sampled_from(["low", "normal", "high", "urgent"]),
        "status": st.sampled_from(["open", "done"]),
    },
)
changes = st.fixed_dictionaries(
    {"due_at": st.sampled_from(TIMES), "priority": st.sampled_from(["low", "normal", "high", "urgent"])},
    optional={"labels": LABELS},
)
# What happens between two pages: a new task, or something to one of those that were there at the start.
happenings = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), tasks),
        st.tuples(st.just("update"), st.tuples(st.integers(0, 29), changes)),
        st.tuples(st.just("delete"), st.integers(0, 29)),
    ),
    max_size=4,
)


def matches(task: dict[str, Any], filters: dict[str, list[str]]) -> bool:
    values = {"status": {task["status"]}, "label": set(task["labels"])}
    return all(values[name] & set(wanted) for name, wanted in filters.items())


@pytest.mark.parametrize("sort", get_args(SortName))
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    before=st.lists(tasks, min_size=3, max_size=30),
    meanwhile=st.lists(happenings, min_size=12, max_size=12),
    filters=st.sampled_from(FILTERS),
    limit=st.integers(1, 7),
)
def test_every_untouched_task_comes_exactly_once(
    client: httpx.Client,
    database: psycopg.Connection,
    *,
    sort: str,
    filters: dict[str, list[str]],
    before: list[dict[str, Any]],
    meanwhile: list[list[tuple[str, Any]]],
    limit: int,
) -> None:
    empty(database)
    there = client.post("/v1/tasks/batch", json={"tasks": before}).json()["items"]
    untouched = {task["id"] for task in there if matches(task, filters)}
    seen: Counter[str] = Counter()
    page = client.get("/v1/tasks", params={"sort": sort, "limit": limit, **filters})
    steps = iter(meanwhile)
    while True:
        seen.update(task["id"] for task in page.json()["items"])
        if "next" not in page.links:
            break
        for what, how in next(steps, []):
            if what == "insert":
                client.post("/v1/tasks", json=how)
            else:
                index, change = how if what == "update" else (how, None)
                task = there[index % len(there)]
                untouched.discard(task["id"])
                client.request("PATCH" if what == "update" else "DELETE", f"/v1/tasks/{task['id']}", json=change)
        page = client.get(page.links["next"]["url"])
    assert {task_id: seen[task_id] for task_id in untouched} == dict.fromkeys(untouched, 1)

"""Shortcuts for tests of leases."""

from typing import Any

import httpx
import psycopg

Json = dict[str, Any]

LIVE_BY_LABEL = """
select label, count(*)
from leases l join tasks t on t.id = l.task_id, unnest(t.labels::text[]) as label
where l.expires_at > clock_timestamp()
group by label
"""
"""Counts the unexpired leases on tasks with each label."""


def new_task(client: httpx.Client, **fields: Any) -> str:
    """Create a task and return its id."""
    response = client.post("/v1/tasks", json={"title": "Work"} | fields)
    assert response.status_code == 201, response.text
    task_id: str = response.json()["id"]
    return task_id


def claim(client: httpx.Client, task_id: str, worker: str = "w1", ttl_s: int = 60) -> Json:
    """Claim a task and return the answer."""
    response = client.post(f"/v1/tasks/{task_id}/claim", json={"worker": worker, "ttl_s": ttl_s})
    assert response.status_code == 200, response.text
    answer: Json = response.json()
    return answer


def token_of(client: httpx.Client, task_id: str, worker: str = "w1") -> str:
    """Claim a task and return the token."""
    token: str = claim(client, task_id, worker)["lease"]["token"]
    return token


def read(client: httpx.Client, task_id: str) -> Json:
    """Return the task."""
    task: Json = client.get(f"/v1/tasks/{task_id}").json()
    return task


def expire(database: psycopg.Connection, task_id: str, seconds_ago: float = 0) -> None:
    """Let a lease be over, as if the time had passed."""
    changed = database.execute(
        "update leases set expires_at = now() - %(ago)s * interval '1 second' where task_id = %(id)s",
        {"id": task_id, "ago": seconds_ago},
    )
    assert changed.rowcount == 1


def history(database: psycopg.Connection, task_id: str) -> list[tuple[Any, ...]]:
    """Return action, version, before and after of what happened to a task."""
    return database.execute(
        "select action::text, version, before, after from history where task_id = %s order by sequence", [task_id]
    ).fetchall()


def problem(response: httpx.Response) -> str:
    """Return the name of the problem type of a refusal."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    body: Json = response.json()
    assert body["status"] == response.status_code
    return str(body["type"].removeprefix("/problems/"))

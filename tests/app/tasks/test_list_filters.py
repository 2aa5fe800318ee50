"""GET /v1/tasks: filters, full text, sorts, count, cursors."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import httpx
import psycopg
import pytest

from app.tasks.model import Priority, Status
from app.tasks.query import PARTS, LeaseFilter, SortName
from tests.support.contract import Contract

TASKS: list[dict[str, Any]] = [
    {"title": "Deploy the billing service", "labels": ["ops", "billing"], "assignee": "ada", "priority": "urgent"},
    {"title": "Write the report", "description": "What deployments cost", "due_at": "2020-05-01T00:00:00Z"},
    {"title": "Order paper", "labels": ["office"], "priority": "low", "due_at": "2020-06-01T00:00:00Z"},
    {"title": "Rotate the signing key", "labels": ["ops"], "assignee": "ada", "status": "done"},
    {"title": "Water plants", "assignee": "grace", "due_at": "2120-01-01T00:00:00Z", "status": "in_progress"},
    {"title": "Old and done", "due_at": "2020-01-01T00:00:00Z", "status": "cancelled"},
]
"""Created in this order, a minute apart, the last one at `NOW`; each changed an hour after it was created."""
NOW = datetime(2026, 1, 1, tzinfo=UTC)
NO_FILTERS = ("sort", "count", "limit", "cursor")
"""The parameters that say how to show what the filters select."""


@pytest.fixture
def filters(contract: Contract) -> dict[str, Any]:
    """The parameters that filter the list, with their schemas, as the OpenAPI document has them."""
    parameters = contract.document["paths"]["/v1/tasks"]["get"]["parameters"]
    return {each["name"]: each["schema"] for each in parameters if each["name"] not in NO_FILTERS}


@pytest.fixture
def tasks(client: httpx.Client, database: psycopg.Connection) -> httpx.Client:
    """A client of a service that has the six tasks."""
    client.post("/v1/tasks/batch", json={"tasks": TASKS}).raise_for_status()
    database.execute(
        "update tasks set created_at = %(now)s - n * interval '1 minute',"
        " updated_at = %(now)s + (60 - n) * interval '1 minute'"
        " from (select id, row_number() over (order by id desc) - 1 as n from tasks) aged where aged.id = tasks.id",
        {"now": NOW},
    )
    return client


def found(client: httpx.Client, query: str) -> str:
    """Return the first letters of the titles that a query finds, in its order."""
    response = client.get(f"/v1/tasks?{query}")
    assert response.status_code == 200, response.text
    return "".join(task["title"][0] for task in response.json()["items"])


def at(minutes: int) -> str:
    return (NOW + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_it_works(tasks: httpx.Client) -> None:
    assert found(tasks, "status=open&label=ops") == "D"


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("", "OWROWD"),
        ("status=done", "R"),
        ("status=done&status=cancelled&status=done", "OR"),
        ("priority=low", "O"),
        ("priority=low&priority=urgent", "OD"),
        ("assignee=ada", "RD"),
        ("assignee=ada&assignee=grace", "WRD"),
        ("assignee=nobody", ""),
        ("label=ops", "RD"),
        ("label=office&label=billing", "OD"),
        ("label=none", ""),
        ("due_before=2020-06-01T00:00:00Z", "OW"),
        ("due_before=2020-06-01T00:00:00.000001Z", "OOW"),
        ("due_before=2020-06-01T01:00:00%2B01:00", "OW"),
        ("due_after=2020-05-01T00:00:00Z", "WO"),
        ("due_after=2020-01-01T00:00:00Z&due_before=2020-06-01T00:00:00Z", "W"),
        (f"created_before={at(-4)}", "D"),
        (f"created_after={at(-1)}", "O"),
        (f"updated_after={at(59)}", "O"),
        (f"updated_after={at(58)}", "OW"),
        ("overdue=true", "OW"),
        ("overdue=true&priority=low", "O"),
        ("overdue=false", "OWRD"),
        ("q=deploy", "WD"),
        ("q=deployed+service", "D"),
        ("q=%22the+signing%22", "R"),
        ("q=deploy+-billing", "W"),
        ("q=paper+or+plants", "WO"),
        ("q=the", ""),
        ("q=%27%3B%3A*%26%21%28%5C", ""),
        ("assignee=ada&status=done&label=ops&q=key", "R"),
    ],
)
def test_filters_select(tasks: httpx.Client, query: str, titles: str) -> None:
    assert found(tasks, query) == titles
    assert tasks.get(f"/v1/tasks?count=true&limit=1&{query}").json()["total"] == len(titles)


@pytest.mark.parametrize(
    ("sort", "titles"),
    [
        ("created_at", "DWORWO"),
        ("-created_at", "OWROWD"),
        ("updated_at", "DWORWO"),
        ("-updated_at", "OWROWD"),
        ("due_at", "OWOWDR"),
        ("-due_at", "RDWOWO"),
        ("priority", "OWRWOD"),
        ("-priority", "DOWRWO"),
    ],
)
def test_sorts_order(tasks: httpx.Client, sort: str, titles: str) -> None:
    """Ties go by id, the order of creation; tasks that are never due count as due after all others."""
    assert found(tasks, f"sort={sort}") == titles


VALUES = {
    "status": get_args(Status),
    "priority": get_args(Priority),
    "overdue": ["true", "false"],
    "ready": ["true", "false"],
    "lease": get_args(LeaseFilter),
}


def test_every_filter_of_the_document_stands_in_list_tasks_toml(filters: dict[str, Any]) -> None:
    stands = PARTS.any_of.keys() | PARTS.filters.keys() | PARTS.choices.keys()
    assert filters.keys() <= stands, f"app/postgres/sql/tasks/list_tasks.toml lacks {filters.keys() - stands}"
    assert filters.keys() >= stands, f"list_tasks in app/http/routes/list_tasks.py lacks {stands - filters.keys()}"
    assert get_args(LeaseFilter) == tuple(PARTS.choices["lease"])


@pytest.mark.parametrize("name", [*PARTS.any_of, *PARTS.filters, *PARTS.choices])
def test_every_filter_reaches_the_query(tasks: httpx.Client, filters: dict[str, Any], name: str) -> None:
    """The cursor of another list shows it: it is refused where a filter is applied, and only there."""
    cursor = tasks.get("/v1/tasks?limit=1").json()["next_cursor"]
    schema = filters[name]
    texts = ["2026-01-31T12:00:00Z"] if schema.get("format") == "date-time" else ["x", "y"]
    values = VALUES.get(name) or schema.get("enum") or texts
    for value in [*values, values] if schema.get("type") == "array" else values:
        assert tasks.get("/v1/tasks", params={name: value}).status_code == 200
        refused = tasks.get("/v1/tasks", params={name: value, "cursor": cursor})
        assert refused.status_code == 400, f"list_tasks in app/http/routes/list_tasks.py does not pass {name} on"
        assert refused.json()["errors"][0]["pointer"] == "cursor"


def test_total_is_there_only_when_asked_for(tasks: httpx.Client) -> None:
    assert "total" not in tasks.get("/v1/tasks").json()


@pytest.mark.parametrize("sort", get_args(SortName))
def test_links_lead_through_all_pages(tasks: httpx.Client, sort: str) -> None:
    whole = [task["id"] for task in tasks.get("/v1/tasks", params={"sort": sort, "status": "open"}).json()["items"]]
    page = tasks.get("/v1/tasks", params={"sort": sort, "status": ["open", "failed"], "limit": 1})
    walked = [page.json()["items"][0]["id"]]
    while "next" in page.links:
        page = tasks.get(page.links["next"]["url"])
        walked += [task["id"] for task in page.json()["items"]]
    assert walked == whole
    assert page.json()["next_cursor"] is None


def test_a_cursor_serves_only_the_sort_it_came_from(tasks: httpx.Client) -> None:
    cursor = tasks.get("/v1/tasks?limit=2").json()["next_cursor"]
    refused = tasks.get(f"/v1/tasks?cursor={cursor}&sort=created_at")
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["pointer"] == "cursor"


@pytest.mark.parametrize("sort", get_args(SortName))
def test_a_damaged_cursor_is_refused(tasks: httpx.Client, sort: str) -> None:
    cursor = tasks.get("/v1/tasks", params={"limit": 1, "sort": sort}).json()["next_cursor"]
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    damaged = [raw[:-1], raw + b"x", raw[:8], raw[:8] + b"\x92\xa4\x00\x00\x00\x00", raw[:8] + b"\x92\xa1x\xc0", b""]
    tokens = [base64.urlsafe_b64encode(one).decode() for one in damaged]
    for token in [*tokens, cursor[:-2], cursor + "é", "!", "A" * 4000]:
        refused = tasks.get("/v1/tasks", params={"sort": sort, "cursor": token})
        assert refused.status_code == 400, token
        assert refused.json()["errors"][0]["pointer"] == "cursor"


@pytest.mark.parametrize(
    "query",
    [
        "sort=title",
        "sort=",
        "priority=none",
        "overdue=1",
        "overdue=True",
        "overdue=",
        "assignee=",
        f"assignee={'x' * 201}",
        "label=ops&label=",
        f"label={'x' * 51}",
        "count=1",
        "count=yes",
        "q=",
        f"q={'x' * 501}",
        f"q={'-' * 40}x",
        "due_before=2026-01-01",
        "due_before=2026-01-01T00:00:00",
        "due_after=2026-01-01T00:00:00+01:00",
        "created_before=1767225600",
        "created_after=0001-01-01T00:00:00%2B12:00",
        "updated_after=now",
        "label=a%00b",
        "sort=due_at&sort=due_at",
    ],
)
def test_a_wrong_parameter_is_named(tasks: httpx.Client, query: str) -> None:
    refused = tasks.get(f"/v1/tasks?{query}")
    assert refused.status_code == 400
    (error,) = refused.json()["errors"]
    assert error["in"] == "query"
    assert error["pointer"] == query.partition("=")[0]
    assert error["pointer"] in error["detail"]


def test_tasks_are_found_by_their_lease(client: httpx.Client, database: psycopg.Connection) -> None:
    client.post("/v1/tasks/batch", json={"tasks": [{"title": "Live"}, {"title": "Expired"}, {"title": "None"}]})
    for _ in range(2):
        client.post("/v1/tasks/claim", json={"worker": "w", "ttl_s": 600}).raise_for_status()
    database.execute(
        "update leases set expires_at = now() - interval '1 second' from tasks where id = task_id and title = 'Expired'"
    )
    assert [found(client, f"lease={state}") for state in ("live", "expired", "none")] == ["L", "E", "N"]
    assert found(client, "lease=live&status=in_progress&sort=due_at&count=true") == "L"
    assert client.get("/v1/tasks?lease=gone").json()["errors"][0]["pointer"] == "lease"


def test_a_wrong_choice_is_told_the_choices(tasks: httpx.Client) -> None:
    assert "It may be created_at, -created_at, " in tasks.get("/v1/tasks?sort=title").json()["detail"]
    assert "It may be open, in_progress, " in tasks.get("/v1/tasks?status=open&status=paused").json()["detail"]

"""How PostgreSQL plans where there are 100,000 tasks."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import psycopg
import pytest

from app.dev.postgres import EmbeddedPostgres
from app.leases import chosen
from app.leases import store as leases
from app.leases.model import Pulse
from app.metrics import tasks as task_metrics
from app.postgres.pool import connection_parameters
from app.postgres.statements import sql
from app.tasks import store, update
from app.tasks.model import NewTask
from app.tasks.query import PARTS, SortName, TaskQuery
from tests.support.service import fresh_database, owner

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("plans")]

TASKS = 100_000
NOW = datetime.now(UTC)
FILTERS: dict[str, list[Any]] = {
    "status": [["open"], ["done"], ["open", "in_progress"], ["failed"]],
    "priority": [["urgent"], ["normal"], ["high", "urgent"]],
    "assignee": [["user0"], ["user150"], ["user0", "user150"], ["nobody"]],
    "label": [["label0"], ["label61"], ["label1", "label59"], ["none"]],
    "due_before": [NOW - timedelta(days=340), NOW],
    "due_after": [NOW, NOW - timedelta(days=340)],
    "created_before": [NOW - timedelta(days=340), NOW],
    "created_after": [NOW - timedelta(days=1), NOW - timedelta(days=340)],
    "updated_after": [NOW - timedelta(days=1), NOW - timedelta(days=340)],
    "run_after_before": [NOW, NOW + timedelta(days=300)],
    "run_after_after": [NOW, NOW + timedelta(days=300)],
    "overdue": ["true", "false"],
    "ready": ["true", "false"],
    "lease": ["live", "expired", "none"],
    "q": ["word0", "word5", "word2900", '"word1 word2" or word2999', "nothing", "-word0", "-nothing"],
}
MIDDLE: dict[str, Any] = {
    "created_at": NOW - timedelta(days=170),
    "updated_at": NOW - timedelta(days=170),
    "due_at": NOW - timedelta(days=170),
    "priority": "normal",
}
"""Sort keys of a page in the middle."""


@pytest.fixture(scope="module")
def many(postgres: EmbeddedPostgres) -> Iterator[psycopg.Connection]:
    """A database with a hundred thousand tasks."""
    settings = fresh_database(postgres)
    parameters = connection_parameters(owner(settings))
    parameters["options"] += " -c statement_timeout=0"
    with psycopg.connect(**parameters, autocommit=True) as connection:
        connection.execute((Path(__file__).parents[2] / "data/many_tasks.sql").read_bytes())
        connection.execute("vacuum analyze tasks")
        yield connection


def test_every_filter_is_tried() -> None:
    assert FILTERS.keys() == PARTS.any_of.keys() | PARTS.filters.keys() | PARTS.choices.keys()
    assert all(FILTERS[name] == list(values) for name, values in PARTS.choices.items())
    assert {name.removeprefix("-") for name in get_args(SortName)} == MIDDLE.keys() == PARTS.sorts.keys()


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def explain(connection: psycopg.Connection, query: TaskQuery, after: Any) -> dict[str, Any]:
    statement, values = query.statement(51, after)
    row = connection.execute("explain (analyze, format json) " + statement, values).fetchone()
    assert row is not None
    plan: dict[str, Any] = row[0][0]
    return plan


@pytest.mark.parametrize("name", [None, *FILTERS])
def test_every_query_is_served_by_an_index(many: psycopg.Connection, name: str | None) -> None:
    """No table scan, and no sort of more than a tenth of the table, for each sort and page, value rare or frequent."""
    used: Counter[str] = Counter()
    slowest = (0.0, "")
    for sort in get_args(SortName):
        for value in FILTERS[name] if name else [None]:
            for after in (None, (MIDDLE[sort.removeprefix("-")], UUID(int=0))):
                told = f"{name}={value} sort={sort} {'next' if after else 'first'} page"
                explained = explain(many, TaskQuery({name: value} if name else {}, sort), after)
                for node in nodes(explained["Plan"]):
                    scan = node["Node Type"] == "Seq Scan" and node["Relation Name"] == "tasks"
                    assert not scan, f"{told}: {json.dumps(explained, default=str)}"
                    if node["Node Type"] in ("Sort", "Incremental Sort"):
                        (sorted_,) = node["Plans"]
                        rows = sorted_["Actual Rows"] * sorted_["Actual Loops"]
                        assert rows <= TASKS / 10, f"{told} sorts {rows} rows"
                    if "Index Name" in node:
                        used[node["Index Name"]] += 1
                slowest = max(slowest, (explained["Execution Time"], told))
    print(f"\n{name}: slowest {slowest[0]:.1f} ms ({slowest[1]}); {dict(used.most_common())}")


@pytest.mark.parametrize("name", FILTERS)
def test_tasks_are_chosen_by_an_index(many: psycopg.Connection, name: str) -> None:
    """For each call about many tasks, filtered by a value that is rare or frequent."""
    for action, value in product(chosen.PARTS, FILTERS[name]):
        conditions, values = TaskQuery({name: value}, "created_at").conditions()
        parts = {**chosen.PARTS[action], "conditions": f"({conditions})", "limit": "1000"}
        for template in (chosen.COUNT, chosen.LOCK):
            with many.transaction(force_rollback=True):
                row = many.execute("explain (analyze, format json) " + chosen._fill(template, parts), values).fetchone()
            assert row is not None
            told = f"{action} {name}={value}: {json.dumps(row[0], default=str)}"
            scanned = {
                node.get("Relation Name") for node in nodes(row[0][0]["Plan"]) if node["Node Type"] == "Seq Scan"
            }
            assert "tasks" not in scanned, told


def test_the_text_of_a_task_is_made_for_the_page_alone(many: psycopg.Connection) -> None:
    """PostgreSQL makes what stands beside "order by" of everything that it sorts, not of the first 51."""
    statement, values = TaskQuery({"label": ["label59"]}, "-updated_at").statement(51, None)
    row = many.execute("explain (analyze, verbose, format json) " + statement, values).fetchone()
    assert row is not None
    page, *below = nodes(row[0][0]["Plan"])
    assert "to_json" in json.dumps(page["Output"])
    [sorted_] = [node["Plans"][0] for node in below if node["Node Type"] == "Sort"]
    assert sorted_["Actual Rows"] > 100
    assert not any("to_json" in json.dumps(node.get("Output")) for node in below)


def test_the_gauge_of_overdue_tasks_is_served_by_an_index(many: psycopg.Connection) -> None:
    """It is asked for by every process, every 15 seconds; finished tasks, which are kept for ever, must not slow it."""
    row = many.execute(b"explain (analyze, format json) " + task_metrics.QUERY.encode()).fetchone()
    assert row is not None
    plan: dict[str, Any] = row[0][0]
    assert "tasks_unfinished_by_due" in {node.get("Index Name") for node in nodes(plan["Plan"])}, json.dumps(plan)
    plain = "select count(*) from tasks where status in ('open', 'in_progress') and due_at < now()"
    assert (many.execute(task_metrics.QUERY).fetchone() or ())[1:2] == many.execute(plain).fetchone()


def test_what_comes_often_is_planned_once(many: psycopg.Connection) -> None:
    """Planning anew for each call, as PostgreSQL does where it thinks that it pays, costs as much as most of these."""
    caller, nobody = "0" * 12, UUID(int=0)
    rows = many.execute("select task_id, token from leases limit 8").fetchall()
    ids = [task_id for task_id, _ in rows]
    changes = [update.TaskChange(task_id, caller, {"title": "x"}, None) for task_id in ids]
    signs = [leases.PulseCall(task_id, Pulse(str(token), 40), "") for task_id, token in rows]
    completion = {"id": nobody, "actor": caller, "token": nobody, "result": None}

    def values(number: int) -> dict[str, tuple[Any, dict[str, Any]]]:
        some = store.array(ids[:number])
        new = store._to_recordset([NewTask(title="x")] * number)
        claim = {"actor": caller, "worker": "w", "ttl_s": 60}
        return {
            "read": (store.GET, {"ids": some}),
            "create": (store.INSERT, {"actors": [caller] * number, "tasks": new}),
            "change": (
                update._statement(("title",), "skip locked"),
                {"ids": some, "calls": update._to_recordset(changes[:number])},
            ),
            "pulse": (leases.PULSE, {"ids": some, "calls": leases._to_recordset(signs[:number])}),
            "claim": (leases._claim_statement(1, labelled=False), claim),
            "complete": (sql("leases/complete_task"), completion),
            "list": TaskQuery({}, "-created_at").statement(51, None),
        }

    planned_anew = {}
    for name in values(1):
        for number in range(24):
            many.execute(*values(1 + number % 8)[name], prepare=True)
        newest = "select custom_plans from pg_prepared_statements order by prepare_time desc limit 1"
        [(planned_anew[name],)] = many.execute(newest, prepare=False).fetchall()
    assert [name for name, times in planned_anew.items() if times > 5] == []

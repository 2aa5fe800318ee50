"""How PostgreSQL plans the list of leases, the figures of an hour and the deletion of old tasks, at 100,000 tasks."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from app.dev.postgres import EmbeddedPostgres
from app.leases.listing import LIST, LeaseQuery
from app.metrics.stats import PER_MINUTE
from app.postgres.pool import connection_parameters
from app.tasks.retention import BITE, DELETE_OLD, TURN
from tests.app.postgres.test_plans import nodes
from tests.support.service import fresh_database, owner

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("plans")]

CHANGES = 200_000
"""Rows of history, 4,000 of them of the last hour."""
FILTERS = [
    LeaseQuery(),
    LeaseQuery(state="live"),
    LeaseQuery(state="quiet"),
    LeaseQuery(workers=["worker1"]),
    LeaseQuery(labels=["label0"]),
    LeaseQuery(labels=["label59"]),
    LeaseQuery(labels=["none"], state="live"),
]


@pytest.fixture(scope="module")
def many(postgres: EmbeddedPostgres) -> Iterator[psycopg.Connection]:
    """A database with a hundred thousand tasks, most of them finished."""
    parameters = connection_parameters(owner(fresh_database(postgres)))
    parameters["options"] += " -c statement_timeout=0"
    with psycopg.connect(**parameters, autocommit=True) as connection:
        connection.execute((Path(__file__).parents[2] / "data/many_tasks.sql").read_bytes())
        connection.execute(
            "insert into history (at, task_id, version, action)"
            " select now() - (%(rows)s - n) * interval '0.9 second', uuidv7(), 1, 'claimed'"
            " from generate_series(1, %(rows)s) n",
            {"rows": CHANGES},
        )
        connection.execute("vacuum analyze tasks, leases, history")
        yield connection


def explain(connection: psycopg.Connection, statement: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the nodes of the plan; nothing that the statement does stays."""
    with connection.transaction(force_rollback=True):
        row = connection.execute("explain (analyze, format json) " + statement, values).fetchone()
    assert row is not None
    return list(nodes(row[0][0]["Plan"]))


def scanned(plan: list[dict[str, Any]], table: str) -> list[str]:
    return [node["Node Type"] for node in plan if node.get("Relation Name") == table and "Scan" in node["Node Type"]]


@pytest.mark.parametrize("query", FILTERS)
@pytest.mark.parametrize("after", [UUID(int=0), UUID("01890000-0000-7000-8000-000000000000")])
def test_leases_are_listed_without_a_look_at_other_tasks(
    many: psycopg.Connection, query: LeaseQuery, after: UUID
) -> None:
    plan = explain(many, LIST, query.values(51, after))
    assert "Seq Scan" not in scanned(plan, "tasks"), json.dumps(plan, default=str)
    rows = [node["Actual Rows"] * node["Actual Loops"] for node in plan if node.get("Relation Name") == "tasks"]
    assert rows
    assert sum(rows) < 5000


def test_the_minutes_are_counted_from_the_newest_changes(many: psycopg.Connection) -> None:
    plan = explain(many, PER_MINUTE, {"since": None})
    assert "Seq Scan" not in scanned(plan, "history"), json.dumps(plan, default=str)
    seen = [
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in plan
        if node.get("Relation Name") == "history"
    ]
    assert 4000 <= max(seen) <= 12_000


def test_old_tasks_are_found_by_when_they_were_finished(many: psycopg.Connection) -> None:
    plan = explain(many, DELETE_OLD, {"turn": TURN, "days": 30.0, "bite": BITE})
    assert "Seq Scan" not in scanned(plan, "tasks"), json.dumps(plan, default=str)
    assert "tasks_by_finish" in {node.get("Index Name") for node in plan}
    assert not [node for node in plan if node["Node Type"] == "Sort" and node["Actual Rows"] > BITE]

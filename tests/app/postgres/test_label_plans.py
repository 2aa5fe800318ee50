"""What claims and lists by label cost among 100,000 open tasks: as much as those without a label.

The cost is counted in buffers, which do not depend on how busy the machine is.
"""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from app.dev.postgres import EmbeddedPostgres
from app.leases import store as leases
from app.postgres.pool import connection_parameters
from app.tasks.query import SortName, TaskQuery
from tests.support.service import fresh_database, owner

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("plans")]

TASKS = 100_000
CLAIM = 150
"""Buffers that a claim may touch. It writes a lease, a task and history, with some ten index entries; to walk along
all tasks takes more than 1,000."""
PAGE = 400
"""Buffers that a page of 51 tasks may touch: those of a rare label are on a page each."""
LABELS = {"frequent": ["half"], "rare": ["rare"], "absent": ["absent"], "several": ["half", "rare", "absent", "late"]}

FILL = """
insert into tasks (created_at, title, priority, labels, run_after, claimable_at)
select
    now() - n * interval '1 minute', 'x', (array['low', 'normal', 'high'])[1 + n %% 3]::task_priority,
    case
        when n %% 1000 = 1 then '{rare,late}' when n %% 2 = 1 then '{half}' when n %% 4 = 0 then '{other}' else '{}'
    end::label[],
    wait.until, wait.until
from generate_series(1, %s) n, lateral (select case when %s then now() + n * interval '1 minute' end) as wait (until)
"""


@pytest.fixture(scope="module")
def many(postgres: EmbeddedPostgres) -> Iterator[psycopg.Connection]:
    """A database with a hundred thousand open tasks and no vacuum yet."""
    parameters = connection_parameters(owner(fresh_database(postgres)))
    parameters["options"] += " -c statement_timeout=0"
    with psycopg.connect(**parameters, autocommit=True) as connection:
        connection.execute(FILL, [TASKS, False])
        connection.execute("analyze")
        yield connection


def buffers(connection: psycopg.Connection, statement: str, values: dict[str, Any]) -> tuple[int, list[str]]:
    """Return how many buffers the second run of a statement touches, and its plan; nothing of it stays."""
    with connection.transaction(force_rollback=True):
        for _ in range(2):
            row = connection.execute("explain (analyze, buffers, format json) " + statement, values).fetchone()
    assert row is not None
    plan = row[0][0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], plan


def claim(connection: psycopg.Connection, labels: list[str] | None, limit: int = 1) -> int:
    """Return how many buffers a claim touches."""
    values = {"actor": None, "worker": "w", "ttl_s": 60, "labels": labels}
    cost, _ = buffers(connection, leases._claim_statement(limit, labelled=bool(labels)), values)
    return cost


def claims(connection: psycopg.Connection) -> dict[str, int]:
    """Return the cost of each kind of claim."""
    return {"any": claim(connection, None)} | {name: claim(connection, labels) for name, labels in LABELS.items()}


def too_dear(costs: dict[str, int], bound: int) -> dict[str, int]:
    print("", costs)
    return {name: cost for name, cost in costs.items() if cost > bound}


def test_a_claim_by_label_costs_what_a_claim_costs(many: psycopg.Connection) -> None:
    assert too_dear(claims(many), CLAIM) == {}


def test_a_claim_reads_no_more_of_tables_without_statistics(postgres: EmbeddedPostgres) -> None:
    """As of a queue that has just filled up: autovacuum takes a minute, or more, to look at it."""
    parameters = connection_parameters(owner(fresh_database(postgres)))
    with psycopg.connect(**parameters, autocommit=True) as connection:
        connection.execute("alter table tasks set (autovacuum_enabled = false)")
        connection.execute("alter table ready_labels set (autovacuum_enabled = false)")
        connection.execute("insert into tasks (title, labels) select 'x', '{half}' from generate_series(1, 4000)")
        assert (
            too_dear({name: claim(connection, labels) for name, labels in (("any", None), ("half", ["half"]))}, CLAIM)
            == {}
        )


@pytest.mark.parametrize("sort", ["-created_at", "created_at"])
def test_a_list_by_label_costs_what_a_page_costs(many: psycopg.Connection, sort: SortName) -> None:
    """On the first page and the hundredth, which begins behind 5,000 tasks of the label, or of all."""
    costs = {}
    place = "select created_at, id from tasks order by created_at offset %s limit 1"
    hundredth = many.execute(place, [10_000 if sort == "created_at" else TASKS - 10_000]).fetchone()
    for name, labels in LABELS.items():
        query = TaskQuery({"label": labels}, sort)
        for page, after in (("first", None), ("hundredth", hundredth)):
            costs[f"{name}, {page}"], _ = buffers(many, *query.statement(51, after))
    assert too_dear(costs, PAGE) == {}


def test_tasks_that_wait_are_in_nobodys_way(many: psycopg.Connection) -> None:
    """As many that are more urgent by every measure, and that wait."""
    with many.transaction(force_rollback=True):
        many.execute(FILL.replace("(array['low', 'normal', 'high'])[1 + n %% 3]", "'urgent'"), [TASKS, True])
        assert too_dear(claims(many), CLAIM) == {}


@pytest.mark.parametrize(("paused", "max_leases"), [(True, None), (False, 0)])
def test_a_queue_that_stands_still_is_in_nobodys_way(
    many: psycopg.Connection, paused: bool, max_leases: int | None
) -> None:
    """Half of all tasks are in it, and they are more urgent than all others; the lanes are right."""
    plain = claim(many, None)
    rules = """
    insert into queues (label, paused_at, max_leases, settled) values ('half', case when %s then now() end, %s, true)
    """
    many.execute(rules, [paused, max_leases])
    many.execute("update ready_labels r set priority = 'urgent', lane = lane_of('{half}') where label = 'half'")
    many.execute("vacuum ready_labels")
    costs = claims(many)
    many.execute("delete from queues")
    assert too_dear(costs, CLAIM) == {}
    assert too_dear({"any": costs["any"]}, plain + plain // 2) == {}


def test_the_leases_of_other_labels_cost_a_limited_queue_nothing(many: psycopg.Connection) -> None:
    with many.transaction(force_rollback=True):
        many.execute("insert into queues (label, max_leases, settled) values ('rare', 10, true)")
        many.execute("update ready_labels r set lane = lane_of('{rare}') where label in ('rare', 'late')")
        before = claim(many, ["rare"])
        taken = {"actor": None, "worker": "w", "ttl_s": 60, "labels": ["other"]}
        many.execute(leases._claim_statement(100, labelled=True), taken)
        many.execute("analyze leases, leased_labels")
        assert too_dear({"rare": claim(many, ["rare"])}, before + before // 4) == {}

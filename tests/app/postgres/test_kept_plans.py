"""What a prepared statement costs after its tables have grown: a plan made for a small table is not kept.

The cost is counted in buffers, which do not depend on how busy the machine is.
"""

import asyncio
import json
import re
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from psycopg.sql import SQL, Literal

from app.dev.postgres import EmbeddedPostgres
from app.events import store as events
from app.leases import expiry
from app.leases import store as leases
from app.leases.model import Pulse
from app.postgres.pool import Connection, Database
from app.settings import Settings
from app.tasks import history, store, update
from app.tasks.query import TaskQuery
from tests.support.pool import opened
from tests.support.service import conninfo, fresh_database
from tests.support.waiting import eventually, logged_statements

pytestmark = pytest.mark.xdist_group("kept plans")

MANY = 100_000
AFFORDABLE = {"nothing": 200, "truncated": 200, "scheduled": 200, "dead": 1500}
"""Buffers; a scan of the table takes more than 2,000, and twice that with dead rows, whose index entries cost some."""
NOBODY = UUID(int=0)
LISTED = {"until_transaction": "100000000", "until_sequence": 2**40, "limit": 8}

KEPT: dict[str, tuple[Any, dict[str, Any]]] = {
    "claim": (leases._claim_statement(1, labelled=False), {"actor": "0" * 12, "worker": "w", "ttl_s": 60}),
    "claim one": (leases.CLAIM, {"actor": "0" * 12, "worker": "w", "ttl_s": 60, "id": NOBODY}),
    "pulse": (
        leases.PULSE,
        {
            "ids": store.array([NOBODY]),
            "calls": leases._to_recordset([leases.PulseCall(NOBODY, Pulse(str(NOBODY)), "")]),
        },
    ),
    "complete": (leases.COMPLETE, {"id": NOBODY, "actor": "0" * 12, "token": NOBODY, "result": None}),
    "lease": (leases.GET, {"id": NOBODY}),
    "read": (store.GET, {"ids": store.array([NOBODY])}),
    "change": (
        update._statement(("title",), "skip locked"),
        {
            "ids": store.array([NOBODY]),
            "calls": update._to_recordset([update.TaskChange(NOBODY, "0" * 12, {"title": "x"}, None)]),
        },
    ),
    "delete": (store.DELETE, {"actor": "0" * 12, "id": NOBODY, "versions": None}),
    "list": TaskQuery({}, "-created_at").statement(51, None),
    "list by due": TaskQuery({}, "due_at").statement(51, None),
    "history": (history.LIST, {"task_id": NOBODY, "after": 0, "limit": 51, "bytes": 2**20}),
    "events": (events.LIST, {"after_transaction": "0", "after_sequence": 0, "bytes": events.PAGE_BYTES, **LISTED}),
    "sweep": (expiry.SWEEP, {}),
    "end of rests": (expiry.END_RESTS, {"bite": expiry.BITE}),
    "expired lately": (expiry.EXPIRED_LATELY, {}),
}


def fill(connection: psycopg.Connection, number: int) -> None:
    """Add open tasks and their history."""
    connection.execute(
        "with new as (insert into tasks (title) select 'x' from generate_series(1, %s) returning id)"
        " insert into history (task_id, version, action) select id, 1, 'created' from new",
        (number,),
    )


def truncated(connection: psycopg.Connection) -> None:
    """Leave statistics of a full table that has been emptied, and fill it."""
    fill(connection, MANY)
    connection.execute("update tasks set status = 'done', finished_at = now()")
    connection.execute("analyze tasks, history")
    connection.execute("truncate tasks, leases, history")


def dead(connection: psycopg.Connection) -> None:
    """Leave as many dead rows, which no vacuum has seen."""
    fill(connection, MANY)
    connection.execute("update tasks set status = 'done', finished_at = now()")
    connection.execute("delete from tasks")


def scheduled(connection: psycopg.Connection) -> None:
    """Put as many open tasks in front that wait."""
    connection.execute(
        "insert into tasks (title, priority, due_at, run_after, claimable_at)"
        " select 'x', 'urgent', '2020-01-01', times.at, times.at"
        " from generate_series(1, %s) n, lateral (select now() + n * interval '1 hour' as at) as times",
        (MANY,),
    )


def nothing(_: psycopg.Connection) -> None:
    """Begin with a new database."""


@pytest.fixture
def settings(postgres: EmbeddedPostgres) -> Settings:
    """A database that no autovacuum looks at: one connection, so that its plans are those of the test."""
    created = fresh_database(postgres)
    with connected(created) as connection:
        for table in ("tasks", "leases", "history"):
            connection.execute(f"alter table {table} set (autovacuum_enabled = off)".encode())
    return Settings(
        db_host=created.db_host, db_name=created.db_name, db_user=created.db_user, db_sslmode="disable", db_pool_size=1
    )


def connected(settings: Settings) -> psycopg.Connection:
    """Connect beside the pool."""
    return psycopg.connect(conninfo(settings), autocommit=True)


async def run_often(database: Database) -> None:
    """Run each statement so often that PostgreSQL keeps a plan where it wants to."""
    for statement, values in KEPT.values():
        for _ in range(8):
            await database.fetch(statement, values)


async def buffers(connection: Connection, statement: str, values: dict[str, Any]) -> int:
    """Return how many buffers the plan that this session has of a statement touches."""
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
    numbered = re.sub(r"%\((\w+)\)s", lambda mark: f"${names.index(mark[1]) + 1}", statement).replace("%%", "%")
    find = "select name from pg_prepared_statements where statement = %s"
    [(name,)] = await (await connection.execute(find, (numbered,), prepare=False)).fetchall()
    given = SQL(" ({})").format(SQL(", ").join(Literal(values.get(each)) for each in names)) if names else SQL("")
    explain = SQL("explain (analyze, buffers, format json) execute {}{}").format(SQL(name), given)
    [(explained,)] = await (await connection.execute(explain, prepare=False)).fetchall()
    plan = json.loads(explained)[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end."""
    return asyncio.run(work)


@pytest.mark.slow
@pytest.mark.parametrize("before", [nothing, truncated, scheduled, dead])
def test_no_plan_is_kept_that_was_made_for_a_small_table(
    settings: Settings, before: Callable[[psycopg.Connection], None]
) -> None:
    async def scenario() -> dict[str, int]:
        with connected(settings) as beside:
            before(beside)
            async with opened(settings) as database:
                await database.check_plans()
                fill(beside, 30)
                await run_often(database)
                fill(beside, MANY)
                await database.check_plans()
                await run_often(database)
                async with database.connection() as connection:
                    await buffers(connection, *KEPT["claim"])  # it passes over dead rows and marks them
                    return {name: await buffers(connection, *kept) for name, kept in KEPT.items()}

    costs: dict[str, int] = run(scenario())
    assert {name: cost for name, cost in costs.items() if cost > AFFORDABLE[before.__name__]} == {}, costs


def test_the_service_makes_its_plans_again(
    client: httpx.Client, postgres: EmbeddedPostgres, database: psycopg.Connection
) -> None:
    with logged_statements(postgres, database) as asked:

        def grown() -> bool:
            fill(database, 5_000)
            client.get("/v1/tasks").raise_for_status()
            return asked("discard plans") > 0

        eventually(grown)


def test_plans_are_kept_while_tables_have_about_the_same_size(settings: Settings) -> None:
    """Planning costs as much as most statements do."""

    async def scenario() -> list[bool]:
        with connected(settings) as beside:
            fill(beside, 20_000)
            async with opened(settings) as database:
                outgrown = []
                for more in (0, 0, 1_000, 30_000, 0):
                    fill(beside, more)
                    before = database.plans_made
                    await database.check_plans()
                    outgrown.append(database.plans_made > before)
                return outgrown

    assert run(scenario()) == [True, False, False, True, False]

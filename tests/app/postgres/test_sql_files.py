"""The header of each SQL file: what it says of parameters, columns and parts is what PostgreSQL says."""

import re
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.pq import ExecStatus

from app.events import store as event_store
from app.http import idempotency
from app.keys import admin, authentication
from app.leases import chosen, expiry, listing, queues, together
from app.leases import store as lease_store
from app.metrics import queues as queue_metrics
from app.metrics import stats
from app.metrics import tasks as task_metrics
from app.postgres import plans, roles
from app.postgres.statements import Template, sql
from app.tasks import history, query, update
from app.tasks import store as task_store

SQL = Path(update.__file__).parents[1] / "postgres" / "sql"
FILES = sorted(f"{path.parent.name}/{path.stem}" for path in SQL.rglob("*.sql"))
STATEMENTS = [name for name in FILES if not name.startswith("fragments/")]
FRAGMENTS = [name.removeprefix("fragments/") for name in FILES if name.startswith("fragments/")]

CHOSEN = {"conditions": "true", **chosen.PARTS["requeue"], "limit": "1"}

FILLED = {
    "leases/cancel_tasks": chosen._fill(chosen.CHANGES["cancel"], CHOSEN),
    "leases/claim_tasks": lease_store._claim_statement(1, labelled=True),
    "leases/count_chosen_tasks": chosen._fill(chosen.COUNT, CHOSEN),
    "leases/delete_tasks": chosen._fill(chosen.CHANGES["delete"], CHOSEN),
    "leases/lock_chosen_tasks": chosen._fill(chosen.LOCK, CHOSEN),
    "leases/pulse_leases": lease_store.PULSE_ALONE,
    "leases/requeue_tasks": chosen._fill(chosen.CHANGES["requeue"], CHOSEN),
    "tasks/count_tasks": Template("tasks/count_tasks").fill(conditions="true"),
    "tasks/insert_tasks": task_store.INSERT_UNIQUE,
    "tasks/list_many_tasks": Template("tasks/list_many_tasks").fill(
        conditions="true", order="t.id", limit="1", bytes="1"
    ),
    "tasks/list_tasks": Template("tasks/list_tasks").fill(conditions="true", order="t.id", limit="1"),
    "tasks/update_task_status": update._status_statement(("status", "title")),
    "tasks/update_tasks": update._statement(("title",), ""),
}
UNCLEAR = {"ttl_s"}
"""Parameters whose type PostgreSQL cannot tell from the statement alone; psycopg says it."""


ROWS: dict[str, Any] = {
    "events/list_epochs": event_store.EpochRow,
    "events/list_events": event_store.EventRow,
    "idempotency/get_idempotent_answer": idempotency.StoredAnswer,
    "keys/get_api_key": admin.StoredKey,
    "keys/list_api_keys": admin.KeyRow,
    "keys/list_usable_api_keys": authentication.Key,
    "leases/claim_task": lease_store.ClaimRow,
    "leases/claim_tasks": lease_store.ClaimRow,
    "leases/complete_task": lease_store.EndedTask,
    "leases/complete_tasks": together.CompletedTask,
    "leases/count_chosen_tasks": chosen.CountedTasks,
    "leases/explain_refusal": lease_store.Refusal,
    "leases/fail_task": lease_store.EndedTask,
    "leases/fail_tasks": together.FailedTask,
    "leases/list_leases": listing.LeaseRow,
    "leases/lock_chosen_tasks": chosen.LockedTasks,
    "leases/pulse_leases": lease_store.PulseRow,
    "leases/pulse_many_leases": together.PulsedLease,
    "leases/release_task": lease_store.EndedTask,
    "leases/requeue_task": lease_store.RequeuedTask,
    "leases/sweep_leases": expiry.SweptTask,
    "metrics/changes_per_minute": stats.MinuteRow,
    "metrics/queue_metrics": queue_metrics.QueueFigures,
    "metrics/task_metrics": task_metrics.Figures,
    "plans/table_sizes": plans.SizeRow,
    "queues/get_queue": queues.QueueRow,
    "queues/insert_queue": queues.QueueRow,
    "queues/list_queues": queues.FiguresRow,
    "queues/update_queue": queues.QueueRow,
    "roles/missing_grants": roles.GrantRow,
    "roles/open_to_all": roles.GrantRow,
    "tasks/delete_task": task_store.DeletedTask,
    "tasks/get_tasks": task_store.StoredTask,
    "tasks/get_unfinished_tasks": task_store.UnfinishedTask,
    "tasks/insert_tasks": task_store.CreatedTask,
    "tasks/list_history": history.HistoryRow,
    "tasks/list_many_tasks": query.PageRow,
    "tasks/list_tasks": query.PageRow,
    "tasks/update_task_status": update.UpdatedStatus,
    "tasks/update_tasks": update.UpdatedTask,
}


def header(name: str) -> dict[str, list[str]]:
    """Return the entries of each field of a header, without what is in parentheses."""
    lines = list(map(str.strip, re.match(r"(?:--.*\n)*", (SQL / f"{name}.sql").read_text())[0].split("\n")))  # type: ignore[index]
    text = re.sub(r"\n--   ", " ", "\n".join(lines))
    fields = dict(re.findall(r"^-- (Parts|Parameters|Columns|Needs): (.*)\.$", text, re.MULTILINE))
    plain = {field: re.sub(r" \([^)]*\)", "", entries) for field, entries in fields.items()}
    return {field: [] if entries == "none" else re.split(r", ", entries) for field, entries in plain.items()}


def described(database: psycopg.Connection, statement: str, declared: dict[str, str]) -> tuple[list[str], list[str]]:
    """Return the parameters and columns that PostgreSQL finds in a statement, each as in `id uuid`."""
    names: list[str] = []

    def number(mark: re.Match[str]) -> str:
        if mark[1] not in names:
            names.append(mark[1])
        return f"${names.index(mark[1]) + 1}"

    text = re.sub(r"%\((\w+)\)[sb]", number, statement).replace("%%", "%")
    known = [database.adapters.types[declared[name]].oid if name in UNCLEAR else 0 for name in names]
    prepared = database.pgconn.prepare(b"", text.encode(), known)
    assert prepared.status == ExecStatus.COMMAND_OK, prepared.error_message.decode()
    found = database.pgconn.describe_prepared(b"")
    return (
        [f"{name} {_type(database, found.param_type(index))}" for index, name in enumerate(names)],
        [
            f"{(found.fname(index) or b'').decode()} {_type(database, found.ftype(index))}"
            for index in range(found.nfields)
        ],
    )


def _type(database: psycopg.Connection, oid: int) -> str:
    row = database.execute("select format_type(%s, null)", (oid,)).fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_header_says_what_postgresql_says(database: psycopg.Connection, name: str) -> None:
    said = header(name)
    declared = dict(entry.split(" ", 1) for entry in said["Parameters"])
    statement = FILLED.get(name) or sql(name)
    parameters, columns = described(database, statement, declared)
    assert sorted(parameters) == sorted(said["Parameters"])
    assert columns == said["Columns"]
    assert sorted(said.get("Parts", ())) == sorted(Template(name).parts)


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_row_of_several_columns_has_a_type(name: str) -> None:
    columns = [entry.split()[0] for entry in header(name)["Columns"]]
    if len(columns) > 1 or name in ROWS:
        assert list(ROWS[name]._fields) == columns


@pytest.mark.parametrize("name", FRAGMENTS)
def test_a_fragment_says_its_parameters(name: str) -> None:
    text = Template(f"fragments/{name}").fill()
    used = set(re.findall(r"%\((\w+)\)", text))
    assert used == {entry.split()[0] for entry in header(f"fragments/{name}").get("Parameters", ())}
    assert any(f"/*{name}*/" in path.read_text() for path in SQL.rglob("*.*") if path.stem != name), "nobody uses it"


@pytest.mark.parametrize("name", FILES)
def test_a_file_opens_with_what_it_does(name: str) -> None:
    first = (SQL / f"{name}.sql").read_text().split("\n", 1)[0]
    assert re.match(r"-- [A-Z][^:]{10,}", first), first


def test_comments_and_indentation_are_not_sent() -> None:
    assert sql("tasks/lock_task_payload") == "select payload\nfrom tasks\nwhere id = %(id)s\nfor update\n"
    assert "--" not in sql("tasks/delete_task")


def test_a_part_that_is_not_filled_in_is_refused() -> None:
    with pytest.raises(ValueError, match="waiting"):
        sql("leases/pulse_leases")
    with pytest.raises(ValueError, match="other"):
        Template("leases/pulse_leases").fill(waiting="", allowed="", other="")

"""What labels and queues cost: claims and lists by label beside those without, triggers, and the locks of migrations.

`make bench-queues` runs it; SIZES=100000,1000000 are the open tasks. The statements are the service's own, run by
EXPLAIN ANALYZE and rolled back. Each ratio is the median of ROUNDS pairs, which are measured in turn.
"""

import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psycopg

from app.dev.postgres import NAME, EmbeddedPostgres
from app.leases import queues
from app.leases import store as leases
from app.postgres import migrate
from app.settings import Settings
from app.tasks import store as tasks
from app.tasks import update
from app.tasks.model import NewTask
from app.tasks.query import TaskQuery
from tests.support.service import conninfo, fresh_database, owner

SIZES = [int(size) for size in os.environ.get("SIZES", "100000,1000000").split(",")]
ROUNDS = int(os.environ.get("ROUNDS", "41"))
BEHIND = 100_000
"""Scheduled tasks, and tasks of a paused queue, that an unlabelled claim has to pass over."""
LAST_BEFORE = 14
"""The last migration of the release before labels were indexed."""
CALLER = "0" * 12
PAGE = 51
HUNDREDTH = 99 * 50

FILL = """
insert into tasks (created_at, title, priority, labels, run_after, claimable_at)
select
    now() - (n + %(later)s) * interval '10 seconds', 'x',
    case
        when %(label)s::text is not null then 'urgent' else (array['low', 'normal', 'high'])[1 + n %% 3]
    end::task_priority,
    case
        when %(label)s::text is not null then array[%(label)s]
        when n %% 10000 = 1 then '{rare,half}' when n %% 2 = 1 then '{half}' when n %% 4 = 0 then '{other}' else '{}'
    end::label[],
    until, until
from
    generate_series(1, %(number)s) n,
    lateral (select case when %(waits)s then now() + interval '1 day' end) as wait (until)
"""


def fill(connection: psycopg.Connection, number: int, label: str | None = None, *, waits: bool = False) -> None:
    """Make open tasks; a quarter of them have no label, unless all have the same."""
    values = {"number": number, "label": label, "waits": waits, "later": 0 if label is None else 10**7}
    connection.execute(FILL, values)


Case = tuple[psycopg.Connection, Any, Mapping[str, Any]]


def milliseconds(case: Case) -> float:
    """Run a statement once, undo what it did, and return how long it took, with its planning."""
    connection, statement, values = case
    with connection.transaction(force_rollback=True):
        [(lines,)] = connection.execute("explain (analyze, timing off, format json) " + statement, values).fetchall()
    return float(lines[0]["Execution Time"])


def table(title: str, base: Case, cases: Mapping[str, Case]) -> None:
    """Print the ratio of each case to the base: the median of pairs."""
    print(f"\n| {title} | ms | times |\n| --- | --- | --- |", flush=True)
    for name, case in cases.items():
        for each in (base, case):
            milliseconds(each)
        pairs = [(milliseconds(base), milliseconds(case)) for _ in range(ROUNDS)]
        took, ratio = (statistics.median(values) for values in ([b for _, b in pairs], [b / a for a, b in pairs]))
        print(f"| {name} | {took:.2f} | {ratio:.2f} |", flush=True)


def claim(connection: psycopg.Connection, labels: list[str] | None) -> Case:
    """Return a claim of one task."""
    values = {"actor": CALLER, "worker": "bench", "ttl_s": 60, "labels": labels}
    return connection, leases._claim_statement(1, labelled=bool(labels)), values


def page(connection: psycopg.Connection, filters: dict[str, Any], skipped: int) -> Case:
    """Return a page of the default sort, after so many tasks that the filters take."""
    query = TaskQuery(filters, "-created_at")
    after = None
    if skipped:
        condition = "labels::text[] @> %s" if filters else "%s::text[] is not null"
        [after] = connection.execute(
            f"select created_at, id from tasks where {condition} order by created_at desc, id desc limit 1 offset %s",
            [filters.get("label", []), skipped - 1],
        ).fetchall()
    return connection, *query.statement(PAGE, after)


def statements(plain: psycopg.Connection, behind: psycopg.Connection) -> None:
    """Compare claims and lists."""
    table(
        "claim of one task, beside one of any",
        claim(plain, None),
        {
            "by a frequent label": claim(plain, ["half"]),
            "by a rare label": claim(plain, ["rare"]),
            "by a label that no task has": claim(plain, ["absent"]),
            "of any, behind scheduled tasks and a paused queue": claim(behind, None),
        },
    )
    for name, skipped in (("first", 0), ("hundredth", HUNDREDTH)):
        half = page(plain, {"label": ["half"]}, skipped)
        table(f"{name} page by label, beside one of all", page(plain, {}, skipped), {"a frequent label": half})


class Calls(threading.Thread):
    """Creates a task, changes it and finishes it, again and again without a pause."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._connection = psycopg.connect(conninfo(settings), autocommit=True)
        self.pid = self._connection.info.backend_pid
        self.ended = threading.Event()
        self.number = 0

    def run(self) -> None:
        """Call until `ended` is set."""
        make = "insert into tasks (title, labels) values ('x', '{half}') returning id"
        change = "update tasks set priority = 'urgent', version = version + 1 where id = %s"
        finish = "update tasks set status = 'done', finished_at = now(), version = version + 1 where id = %s"
        while not self.ended.is_set():
            made = self._connection.execute(make).fetchone()
            self._connection.execute(change, made)
            self._connection.execute(finish, made)
            self.number += 3


class LockWaits(threading.Thread):
    """Looks for how long a session waits for a lock, which a busy machine prolongs less than the time of its calls."""

    def __init__(self, settings: Settings, calls: Calls) -> None:
        super().__init__()
        self._connection = psycopg.connect(conninfo(settings), autocommit=True)
        self._calls = calls
        self.longest_s = 0.0

    def run(self) -> None:
        """Look every few milliseconds until the calls have ended."""
        look = "select extract(epoch from max(clock_timestamp() - waitstart))::float8 from pg_locks where pid = %s"
        while not self._calls.ended.wait(0.005):
            [(waits_s,)] = self._connection.execute(look, [self._calls.pid]).fetchall()
            self.longest_s = max(self.longest_s, waits_s or 0.0)


def migrations(settings: Settings) -> None:
    """Run the migrations of labels beside calls, and print for how long these waited for a lock."""
    calls = Calls(settings)
    waits = LockWaits(settings, calls)
    for thread in (calls, waits):
        thread.start()
    started = time.monotonic()
    try:
        names = migrate.migrate(settings, lambda _: None)
    finally:
        calls.ended.set()
    took = time.monotonic() - started
    for thread in (calls, waits):
        thread.join()
    longest = f"the longest wait for a lock of {calls.number} calls beside them took {waits.longest_s * 1000:.0f} ms"
    print(f"\n{', '.join(names)}: {took:.1f} s; {longest}", flush=True)


def before_labels(postgres: EmbeddedPostgres) -> Settings:
    """Return a database as the release before has it."""
    settings, every = owner(fresh_database(postgres, migrated=False)), migrate.migrations
    older: Callable[[], list[migrate.Migration]] = lambda: [one for one in every() if one.version <= LAST_BEFORE]  # noqa: E731
    migrate.migrations = older
    try:
        migrate.migrate(settings, lambda _: None)
    finally:
        migrate.migrations = every
    return settings


def writes(connection: psycopg.Connection) -> None:
    """Compare creates and patches with and without triggers, among which are those that keep the labels."""
    without = psycopg.connect(connection.info.dsn, autocommit=True)
    without.execute("set session_replication_role = replica")
    [(task,)] = connection.execute("select id from tasks where labels = '{half}' limit 1").fetchall()
    change = update.TaskChange(task, CALLER, {"priority": "urgent"}, None)
    patch = {"ids": tasks.array([task]), "calls": update._to_recordset([change])}
    cases = {
        f"create with {number} labels": (tasks.INSERT, {"actors": [CALLER], "tasks": _new_task(number)})
        for number in (0, 1, 5)
    } | {"patch of the priority of an open task with one label": (update._statement(("priority",), ""), patch)}
    for name, case in cases.items():
        table("writes, beside the same without triggers", (without, *case), {name: (connection, *case)})


def _new_task(labels: int) -> str:
    return tasks._to_recordset([NewTask("x", labels=[f"label {number}" for number in range(labels)])])


def main() -> None:
    """Run all, at each size."""
    options = {"shared_buffers": "1GB", "max_wal_size": "8GB", "fsync": "off"}
    with tempfile.TemporaryDirectory() as name, EmbeddedPostgres(Path(name) / "data", options) as postgres:
        for size in SIZES:
            print(f"\n{size:,} open tasks")
            plain, behind = before_labels(postgres), fresh_database(postgres, migrated=False)
            with psycopg.connect(conninfo(plain), autocommit=True) as connection:
                fill(connection, size)
                connection.execute("vacuum analyze")
            migrations(plain)
            with psycopg.connect(conninfo(plain), autocommit=True) as connection:
                connection.execute("vacuum analyze")
            with psycopg.connect(host=postgres.host, dbname=NAME, user=NAME, autocommit=True) as server:
                server.execute(f"drop database {behind.db_name}".encode())
                server.execute(f"create database {behind.db_name} template {plain.db_name}".encode())
            with (
                psycopg.connect(conninfo(plain), autocommit=True) as connection,
                psycopg.connect(conninfo(behind), autocommit=True) as other,
            ):
                stop(other)
                statements(connection, other)
                writes(connection)


def stop(connection: psycopg.Connection) -> None:
    """Add scheduled tasks, and tasks of a paused queue, which are more urgent than all others."""
    connection.execute("insert into queues (label, paused_at) values ('paused', now())")
    fill(connection, BEHIND, "paused")
    fill(connection, BEHIND, "half", waits=True)
    while connection.execute(queues.CORRECT_LANES, {"bite": queues.BITE}).fetchall():
        pass
    connection.execute("vacuum analyze")


if __name__ == "__main__":
    main()

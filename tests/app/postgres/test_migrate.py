"""Migrations beside a service that is busy: they wait for a lock in short tries, so that nobody queues behind them."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from app.dev.postgres import EmbeddedPostgres
from app.postgres import migrate
from app.settings import Settings
from tests.support.service import fresh_database, owner
from tests.support.waiting import eventually

FIRST_RELEASE = 9
"""The last migration of the release whose pods run beside the later ones."""


def connect(settings: Settings) -> psycopg.Connection:
    return psycopg.connect(host=settings.db_host, dbname=settings.db_name, user=settings.db_user, autocommit=True)


@pytest.fixture
def before(postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A database as the release before has it."""
    settings = owner(fresh_database(postgres, migrated=False))
    every = migrate.migrations()
    with monkeypatch.context() as patched:
        patched.setattr(migrate, "migrations", lambda: [one for one in every if one.version <= FIRST_RELEASE])
        migrate.migrate(settings, lambda _: None)
    return settings


def test_calls_go_on_while_a_migration_waits_for_a_long_transaction(before: Settings) -> None:
    """As a dump is one. Nothing queues behind the migration for longer than one try."""
    with connect(before) as long, connect(before) as busy, ThreadPoolExecutor(1) as pool:
        with long.transaction():
            long.execute("select from tasks")
            migrating = pool.submit(migrate.migrate, before, lambda _: None)
            waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query ilike %s"
            eventually(lambda: busy.execute(waits, ["%alter table tasks%"]).fetchone() != (0,))
            busy.execute("set statement_timeout = '20s'")
            for _ in range(3):  # without the short tries, each would wait until the long transaction has ended
                busy.execute("insert into tasks (title) values ('x')")
        assert "0010_run_after" in migrating.result(120)
        assert busy.execute("select count(*) from tasks").fetchone() == (3,)


def test_what_failed_half_way_can_run_again(before: Settings) -> None:
    """CREATE INDEX CONCURRENTLY leaves an invalid index where it fails."""
    with connect(before) as database:
        database.execute("alter table tasks add column run_after timestamptz, add column rests_until timestamptz")
        database.execute("insert into schema_migrations (version, name, sha256) select 10, 'x', %s", [_sha256(10)])
        database.execute("create index tasks_waited on tasks (id)")
        database.execute("update pg_index set indisvalid = false where indexrelid = 'tasks_waited'::regclass")
        migrate.migrate(before, lambda _: None)
        [(definition,)] = database.execute("select pg_get_indexdef('tasks_waited'::regclass)").fetchall()
        assert "rests_until" in definition
        assert database.execute("select from pg_index where not indisvalid").fetchall() == []


def test_the_labels_of_tasks_that_were_there_are_found(before: Settings) -> None:
    """And those of tasks that a pod of the release before makes and changes afterwards."""
    make = "insert into tasks (title, labels, status, finished_at) values ('x', %s::text[], %s, %s)"
    with connect(before) as database:
        database.execute(make, [["a", "b"], "open", None])
        database.execute(make, [["a"], "done", "2020-01-01"])
        database.execute(make, [["f"], "in_progress", None])
        database.execute(make, [[], "open", None])
        migrate.migrate(before, lambda _: None)
        assert labels(database) == (["a", "a", "b", "f"], ["a", "b"], ["f"])
        database.execute(make, [["c", "d"], "open", None])
        database.execute("update tasks set labels = '{d,e}', priority = 'high' where labels @> '{c}'::label[]")
        assert labels(database) == (["a", "a", "b", "d", "e", "f"], ["a", "b", "d", "e"], ["f"])
        database.execute("update tasks set status = 'in_progress' where labels @> '{a,b}'::label[]")
        database.execute("update tasks set labels = '{g}' where labels @> '{f}'::label[]")
        database.execute("delete from tasks where labels @> '{e}'::label[]")
        assert labels(database) == (["a", "a", "b", "g"], [], ["a", "b", "g"])
        database.execute("update tasks set status = 'done', finished_at = now() where status = 'in_progress'")
        assert labels(database) == (["a", "a", "b", "g"], [], [])


def labels(database: psycopg.Connection) -> tuple[list[str], ...]:
    """Return the labels of all tasks, of tasks that can be claimed, and of those in progress."""
    queries = (
        b"select label from task_labels order by 1",
        b"select label from ready_labels order by 1",
        b"select label from leased_labels order by 1",
    )
    return tuple([label for (label,) in database.execute(query)] for query in queries)


def _sha256(version: int) -> str:
    return next(one.sha256 for one in migrate.migrations() if one.version == version)

"""Background pruning of history and idempotency keys."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from app.dev.postgres import EmbeddedPostgres
from app.postgres.pruning import BITE
from tests.support.service import Service, fresh_database

OLD = BITE * 2 + 50


def fill(connection: psycopg.Connection) -> None:
    """Leave more to prune than two bites, and a row of each kind to keep."""
    connection.execute(
        "insert into history (at, task_id, version, action)"
        " select now() - interval '31 days', uuidv7(), 1, 'created' from generate_series(1, %s)",
        (OLD,),
    )
    connection.execute(
        "insert into history (at, task_id, version, action)"
        " values (now() - interval '29 days', uuidv7(), 1, 'created')",
    )
    connection.execute(
        "insert into idempotency_keys (expires_at, api_key, key, fingerprint, status, headers, body)"
        " select now() + case when n = 0 then 1 else -1 end * interval '1 minute', 'a', 'k' || n, sha256(''), 201,"
        " '{}', '{}' from generate_series(0, %s) n",
        (OLD,),
    )


def left(connection: psycopg.Connection) -> tuple[int, int]:
    row = connection.execute(
        "select (select count(*) from history), (select count(*) from idempotency_keys)"
    ).fetchone()
    assert row is not None
    return row


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_it_works(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """Two processes prune one database together, and only what is due."""
    settings = fresh_database(postgres)
    one = Service(settings, tmp_path / "one", {"HISTORY_DAYS": "30"})
    other = Service(settings, tmp_path / "other", {"HISTORY_DAYS": "30"})
    with psycopg.connect(one.conninfo, autocommit=True) as connection:
        fill(connection)
        with one, other:
            wait_for(lambda: left(connection) == (1, 1))
            assert one.stop(signal.SIGTERM) == 0
            assert other.stop(signal.SIGTERM) == 0
    assert "Traceback" not in one.log.read_text() + other.log.read_text()


def test_rows_that_another_process_has_are_left_to_it(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    settings = fresh_database(postgres)
    service = Service(settings, tmp_path / "log", {"HISTORY_DAYS": "30"})
    with psycopg.connect(service.conninfo, autocommit=True) as connection, psycopg.connect(service.conninfo) as other:
        fill(connection)
        other.execute("select from history order by sequence limit 10 for update")
        with service:
            wait_for(lambda: left(connection) == (11, 1))
            assert service.stop(signal.SIGTERM) == 0


def test_it_goes_on_when_the_database_comes_back_and_stops_while_it_is_away(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "postgres", {"fsync": "off"}) as postgres:
        service = Service(fresh_database(postgres), tmp_path / "log", {"HISTORY_DAYS": "30"})
        postgres.stop(signal.SIGQUIT)
        service.start(wait=False)
        wait_for(lambda: "the database is away" in service.log.read_text())
        postgres.start()
        with psycopg.connect(service.conninfo, autocommit=True) as connection:
            fill(connection)
            wait_for(lambda: left(connection) == (1, 1))
        postgres.stop(signal.SIGQUIT)
        assert service.stop(signal.SIGTERM) == 0
    assert "Traceback" not in service.log.read_text()

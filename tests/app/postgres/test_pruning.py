"""Background pruning of history and idempotency keys."""

import asyncio
import contextlib
import signal
from pathlib import Path

import psycopg

from app.dev.postgres import EmbeddedPostgres
from app.postgres.pruning import BITE, prune
from app.settings import Settings
from tests.support.pool import opened
from tests.support.service import Service, conninfo, fresh_database
from tests.support.waiting import eventually

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


async def prune_together(settings: Settings, pools: int) -> None:
    """Prune as so many processes at once."""
    async with contextlib.AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(opened(settings)) for _ in range(pools)]
        await asyncio.gather(*(prune(database, 30) for database in databases))


def test_it_works(postgres: EmbeddedPostgres) -> None:
    """Two processes prune one database together, and only what is due."""
    settings = fresh_database(postgres)
    with psycopg.connect(conninfo(settings), autocommit=True) as connection:
        fill(connection)
        asyncio.run(prune_together(settings, 2))
        assert left(connection) == (1, 1)


def test_rows_that_another_process_has_are_left_to_it(postgres: EmbeddedPostgres) -> None:
    settings = fresh_database(postgres)
    with (
        psycopg.connect(conninfo(settings), autocommit=True) as connection,
        psycopg.connect(conninfo(settings)) as other,
    ):
        fill(connection)
        other.execute("select from history order by sequence limit 10 for update")
        asyncio.run(prune_together(settings, 1))
        assert left(connection) == (11, 1)


def test_it_goes_on_when_the_database_comes_back_and_stops_while_it_is_away(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "postgres", {"fsync": "off"}) as postgres:
        service = Service(fresh_database(postgres), tmp_path / "log", {"HISTORY_DAYS": "30"})
        postgres.stop(signal.SIGQUIT)
        service.start(wait=False)
        eventually(lambda: "the database is away" in service.log.read_text())
        postgres.start()
        with psycopg.connect(service.conninfo, autocommit=True) as connection:
            fill(connection)
            eventually(lambda: left(connection) == (1, 1))
        postgres.stop(signal.SIGQUIT)
        assert service.stop(signal.SIGTERM) == 0
    assert "Traceback" not in service.log.read_text()

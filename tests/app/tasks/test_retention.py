"""KEEP_FINISHED_DAYS: finished tasks go when they are old enough, and nothing else does."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from app.dev.postgres import EmbeddedPostgres
from app.postgres.notifications import Notifier
from app.settings import Settings
from app.tasks import retention
from app.tasks.retention import BITE, TURN, delete_old_tasks
from tests.support.pool import opened
from tests.support.service import Service, conninfo, fresh_database
from tests.support.waiting import eventually

DAYS = 30


@pytest.fixture
def settings(postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(retention, "PAUSE_S", 0)
    return fresh_database(postgres)


def fill(connection: psycopg.Connection, number: int, finished: str | None, status: str = "done") -> list[Any]:
    """Make tasks that were finished so long ago, as in `31 days`, and return their ids."""
    rows = connection.execute(
        "insert into tasks (title, created_at, updated_at, finished_at, status, labels)"
        " select 'Task ' || n, now() - interval '1 year', now(), now() - %s::interval, %s, '{old}'"
        " from generate_series(1, %s) n returning id",
        (finished, status, number),
    ).fetchall()
    return [task_id for (task_id,) in rows]


def left(connection: psycopg.Connection) -> set[Any]:
    return {task_id for (task_id,) in connection.execute("select id from tasks")}


async def delete(settings: Settings, processes: int = 1) -> None:
    """Delete as so many processes at once."""

    async def one() -> None:
        async with opened(settings) as database:
            await delete_old_tasks(database, Notifier(settings, database), DAYS)

    await asyncio.gather(*(one() for _ in range(processes)))


@pytest.mark.parametrize("processes", [1, 3])
def test_it_works(settings: Settings, processes: int) -> None:
    """More than two bites of all that is finished go, each with a change in history that has the whole task."""
    with psycopg.connect(conninfo(settings), autocommit=True) as connection:
        old = [
            *fill(connection, 2 * BITE + 1, "31 days"),
            *fill(connection, 1, "30 days 1 second", "failed"),
            *fill(connection, 1, "400 days", "cancelled"),
        ]
        kept = {*fill(connection, 3, "29 days"), *fill(connection, 3, None, "open")}
        asyncio.run(delete(settings, processes))
        asyncio.run(delete(settings))
        assert left(connection) == kept
        rows = connection.execute(
            "select task_id, action::text, actor, after, before ->> 'id', before ->> 'status' from history"
        ).fetchall()
        assert {row[0] for row in rows} == set(old)
        assert len(rows) == len(old)
        assert {row[1:4] for row in rows} == {("deleted", None, None)}
        assert all(row[4] == str(row[0]) for row in rows)
        assert {row[5] for row in rows} == {"done", "failed", "cancelled"}
        assert connection.execute("select count(*) from task_labels").fetchone() == (len(kept),)


def test_a_task_that_is_reopened_meanwhile_stays(settings: Settings) -> None:
    """The statement waits for nothing: what is locked is left alone, and judged again by what it has become."""
    with (
        psycopg.connect(conninfo(settings), autocommit=True) as connection,
        psycopg.connect(conninfo(settings)) as other,
    ):
        reopened, *rest = fill(connection, 3, "31 days")
        other.execute("update tasks set status = 'open', finished_at = null where id = %s", [reopened])
        asyncio.run(delete(settings))
        assert left(connection) == {reopened}
        other.commit()
        asyncio.run(delete(settings))
        assert left(connection) == {reopened}
        assert rest


def test_of_a_race_a_task_is_reopened_or_deleted(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BITE", 7)
    reopened = set[Any]()

    def reopen(tasks: list[Any]) -> None:
        statement = "update tasks set status = 'open', finished_at = null where id = %s"
        with psycopg.connect(conninfo(settings), autocommit=True) as connection:
            reopened.update(task for task in tasks if connection.execute(statement, [task]).rowcount == 1)

    with psycopg.connect(conninfo(settings), autocommit=True) as connection:
        tasks = fill(connection, 300, "31 days")
        with ThreadPoolExecutor(1) as pool:
            reopening = pool.submit(reopen, tasks[::-1])
            asyncio.run(delete(settings))
            reopening.result()
        asyncio.run(delete(settings))
        assert left(connection) == reopened
        assert connection.execute("select count(*) from history").fetchone() == (len(tasks) - len(reopened),)


def test_one_process_at_a_time(settings: Settings) -> None:
    with (
        psycopg.connect(conninfo(settings), autocommit=True) as connection,
        psycopg.connect(conninfo(settings)) as other,
    ):
        tasks = fill(connection, 2, "31 days")
        other.execute("select pg_advisory_xact_lock(%s)", [TURN])
        asyncio.run(delete(settings))
        assert left(connection) == set(tasks)
        other.rollback()
        asyncio.run(delete(settings))
        assert left(connection) == set()


@pytest.mark.parametrize("days", [None, "30"])
def test_the_service_does_so_if_it_is_told_to(postgres: EmbeddedPostgres, tmp_path: Path, days: str | None) -> None:
    """By default it keeps all tasks: there, the end of an old idempotency key shows that background jobs ran."""
    settings = fresh_database(postgres)
    with psycopg.connect(conninfo(settings), autocommit=True) as connection:
        fill(connection, 3, "31 days")
        recent = fill(connection, 1, "29 days")
        connection.execute(
            "insert into idempotency_keys (expires_at, api_key, key, fingerprint) values (now(), 'a', 'k', sha256(''))"
        )
        with Service(settings, tmp_path / "log", {} if days is None else {"KEEP_FINISHED_DAYS": days}) as service:
            if days is None:
                eventually(lambda: not connection.execute("select from idempotency_keys").fetchall())
                assert len(left(connection)) == 4
            else:
                eventually(lambda: left(connection) == set(recent))
                eventually(lambda: service.metric("taskpulse_finished_tasks_deleted_total") == 3)
                assert [event["action"] for event in watched(service, 3)] == ["deleted"] * 3


def watched(service: Service, number: int) -> list[Any]:
    """Return the first events that the service has."""
    headers = {"Authorization": f"Bearer {service.key}"}
    with httpx.stream("GET", f"{service.url}/v1/events?after=0", headers=headers, timeout=60) as events:
        data = (line for line in events.iter_lines() if line.startswith("data: "))
        return [json.loads(line.removeprefix("data: ")) for _, line in zip(range(number), data, strict=False)]

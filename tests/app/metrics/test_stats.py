"""GET /v1/stats."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import msgspec
import psycopg
import pytest

from app.dev.postgres import EmbeddedPostgres
from app.metrics.stats import EVERY_S, MINUTES, Stats, StatsReader
from tests.support.leases import Json, claim, expire, new_task
from tests.support.pool import opened
from tests.support.service import conninfo, fresh_database
from tests.support.waiting import eventually


def stats(client: httpx.Client) -> Json:
    response = client.get("/v1/stats")
    assert response.status_code == 200, response.text
    found: Json = response.json()
    return found


def new_stats(client: httpx.Client) -> Json:
    """Return figures that were computed after this call."""
    present: Json = client.get("/v1/stats").json()
    later: list[Json] = []

    def newer() -> bool:
        later.append(stats(client))
        return bool(later[-1]["computed_at"] > present["computed_at"])

    eventually(newer)
    return later[-1]


def test_it_works(client: httpx.Client, database: psycopg.Connection) -> None:
    row = database.execute("select date_trunc('minute', now())").fetchone()
    assert row is not None
    new_task(client, due_at="2020-01-01T00:00:00Z")
    new_task(client, run_after="2099-01-01T00:00:00Z")
    new_task(client, status="cancelled")
    held, quiet, done, broken = (new_task(client) for _ in range(4))
    claim(client, held)
    claim(client, quiet)
    expire(database, quiet, 1)
    token = claim(client, done)["lease"]["token"]
    client.post(f"/v1/tasks/{done}/complete", json={"token": token}).raise_for_status()
    token = claim(client, broken)["lease"]["token"]
    client.post(f"/v1/tasks/{broken}/fail", json={"token": token, "error": "It broke."}).raise_for_status()
    eventually(lambda: client.get(f"/v1/tasks/{quiet}").json()["attempts"] == 1)  # the sweep has noted the expiry
    found = new_stats(client)
    assert found["tasks"] == {"open": 3, "in_progress": 2, "done": 1, "cancelled": 1, "failed": 0}
    figures = {name: found[name] for name in ("ready", "scheduled", "quiet", "overdue")}
    assert figures == {"ready": 2, "scheduled": 1, "quiet": 1, "overdue": 1}
    assert len(found["minutes"]) == MINUTES
    minutes = [minute for minute in found["minutes"] if datetime.fromisoformat(minute.pop("at")) >= row[0]]
    sums = {name: sum(minute[name] for minute in minutes) for name in minutes[0]}
    assert sums == {"claimed": 4, "completed": 1, "failed": 1, "expired": 1}


def test_minutes_follow_each_other_up_to_the_present_one(client: httpx.Client) -> None:
    found = stats(client)
    minutes = [datetime.fromisoformat(minute["at"]) for minute in found["minutes"]]
    assert {later - earlier for earlier, later in pairwise(minutes)} == {timedelta(minutes=1)}
    assert minutes[-1] == datetime.fromisoformat(found["computed_at"]).replace(second=0, microsecond=0)


def test_they_are_computed_once_in_two_seconds_whoever_asks(client: httpx.Client) -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(10) as pool:
        computed = {found["computed_at"] for found in pool.map(lambda _: stats(client), range(200))}
    assert len(computed) <= 2 + (time.monotonic() - began) / EVERY_S


@pytest.fixture
def many_changes(postgres: EmbeddedPostgres) -> Any:
    """Return the settings of a database whose history has changes of two hours, most of them in the last one."""
    settings = fresh_database(postgres)
    with psycopg.connect(conninfo(settings), autocommit=True) as connection:
        connection.execute(
            "insert into history (at, task_id, version, action)"
            " select now() - (20000 - n) * interval '360 milliseconds', uuidv7(), 1,"
            " (array['created', 'claimed', 'completed', 'failed', 'expired'])[1 + n % 5]::task_action"
            " from generate_series(1, 20000) n"
        )
        connection.execute("analyze history")
    return settings


def test_a_count_that_goes_on_from_the_last_one_is_that_of_all(many_changes: Any) -> None:
    async def twice_and_by_a_new_reader() -> tuple[Stats, Stats, Stats]:
        async with opened(many_changes) as database:
            reader = StatsReader(database)
            first = msgspec.json.decode(await reader.read(), type=Stats)
            with psycopg.connect(conninfo(many_changes), autocommit=True) as connection:
                connection.execute(
                    "insert into history (at, task_id, version, action)"
                    " select now() - n * interval '1 second', uuidv7(), 1, 'completed' from generate_series(0, 60) n"
                )
            reader._again_at = 0
            second = msgspec.json.decode(await reader.read(), type=Stats)
            recomputed = msgspec.json.decode(await StatsReader(database).read(), type=Stats)
            return first, second, recomputed

    first, second, recomputed = asyncio.run(twice_and_by_a_new_reader())
    shared = {minute.at: minute for minute in recomputed.minutes}
    assert [minute for minute in second.minutes if minute.at in shared] == [
        shared[minute.at] for minute in second.minutes if minute.at in shared
    ]
    assert len(first.minutes) == len(second.minutes) == MINUTES
    assert sum(minute.completed for minute in second.minutes) >= sum(minute.completed for minute in first.minutes)
    assert all(30 <= minute.claimed <= 36 for minute in first.minutes[:-10])
    assert sum(minute.completed for minute in second.minutes[-3:]) > 61


def test_an_error_is_not_kept(many_changes: Any) -> None:
    async def fail_then_read() -> bytes:
        async with opened(many_changes) as database:
            reader = StatsReader(database)
            database.up = False
            with pytest.raises(psycopg.OperationalError):
                await reader.read()
            database.up = True
            return await reader.read()

    assert msgspec.json.decode(asyncio.run(fail_then_read()), type=Stats).tasks.open == 0

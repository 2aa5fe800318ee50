"""max_leases is never exceeded and leaves no slot unused: races made to happen, and 32 claimers that crash."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql as compose

from app.leases import store
from tests.app.leases.conftest import Connect
from tests.support.leases import LIVE_BY_LABEL, new_task
from tests.support.service import Service
from tests.support.waiting import eventually

CLAIMERS = 32
ROUNDS = 6
LIMITS = {"a": 3, "b": 2}


def one(connection: psycopg.Connection, task_id: str, statement: str = store.CLAIM) -> bool:
    values = {"id": task_id, "actor": None, "worker": "w", "ttl_s": 60}
    return bool(connection.execute(compose.SQL(statement), values).fetchall())


def many(connection: psycopg.Connection, labels: list[str] | None, limit: int = 1) -> int:
    values = {"actor": None, "worker": "w", "ttl_s": 60, "labels": labels}
    statement = store._claim_statement(limit, labelled=bool(labels))
    return sum(row[0] is not None for row in connection.execute(compose.SQL(statement), values))


def limited(connection: psycopg.Connection, tasks: int, *labels: str, max_leases: int = 1) -> list[str]:
    """Make tasks with some labels, the first of which has a queue."""
    connection.execute("delete from tasks")
    connection.execute("delete from queues")
    connection.execute("insert into queues (label, max_leases) values (%s, %s)", [labels[0], max_leases])
    rows = connection.execute(
        "insert into tasks (title, labels) select 'x', %s::text[] from generate_series(1, %s) returning id::text",
        [list(labels), tasks],
    )
    return [task_id for (task_id,) in rows]


def claims_of_two(
    connect: Connect, first: Callable[[psycopg.Connection], Any], second: Callable[[psycopg.Connection], Any]
) -> Any:
    """Let a second claim run while the first one is not committed; return what it got."""
    got: list[Any] = []
    one_connection, other = connect(), connect()
    waiter = threading.Thread(target=lambda: got.append(second(other)))
    with one_connection.transaction(), connect() as watch:
        assert first(one_connection)
        waiter.start()
        eventually(lambda: watch.execute("select from pg_locks where not granted").fetchall())
    waiter.join()
    return got[0]


def test_a_claim_that_waits_for_a_queue_counts_the_leases_anew(connect: Connect) -> None:
    with connect() as connection:
        first, second = limited(connection, 2, "a")
    assert claims_of_two(connect, lambda c: one(c, first), lambda c: one(c, second)) is False


def test_a_count_as_of_the_begin_of_the_claim_would_exceed_the_limit(connect: Connect) -> None:
    """Shows that the test above would notice."""
    count = "(select count(*) from leases join tasks on tasks.id = task_id where label = any(labels::text[]))"
    assert store.CLAIM.count("live_leases(label)") == 1
    mutated = store.CLAIM.replace("live_leases(label)", count)
    with connect() as connection:
        first, second = limited(connection, 2, "a")
    assert claims_of_two(connect, lambda c: one(c, first), lambda c: one(c, second, mutated)) is True


@pytest.mark.parametrize("labels", [None, ["a"], ["b"]])
def test_a_claim_of_any_task_counts_them_anew_too(connect: Connect, labels: list[str] | None) -> None:
    with connect() as connection:
        limited(connection, 2, "a", "b")
    assert claims_of_two(connect, lambda c: many(c, labels), lambda c: many(c, labels)) == 0


def test_a_claim_of_many_takes_what_there_is_room_for(connect: Connect) -> None:
    with connect() as connection:
        limited(connection, 5, "a", max_leases=3)
        assert many(connection, None, limit=100) == 3
        assert many(connection, ["a"], limit=100) == 0


def work(number: int, service: Service, done: threading.Event) -> None:
    """Claim, complete, crash, or be late, until all is done."""
    chance = random.Random(number)
    wanted = chance.choice([{}, {"labels": ["a"]}, {"labels": ["b"]}, {"labels": ["c", "a"]}])
    headers = {"Authorization": f"Bearer {service.key}"}
    with httpx.Client(base_url=service.url, headers=headers, timeout=60) as client:
        while not done.is_set():
            body = {"worker": str(number), "ttl_s": 1, "limit": chance.choice([1, 1, 3]), **wanted}
            response = client.post("/v1/tasks/claim", json=body, headers={"Prefer": "wait=2"})
            for item in response.json()["items"] if response.status_code == 200 else ():
                path, token = f"/v1/tasks/{item['task']['id']}", {"token": item["lease"]["token"]}
                outcome = chance.random()
                if outcome < 0.2:
                    continue  # it crashed
                if outcome < 0.4:
                    done.wait(1.2)  # too late
                    client.post(f"{path}/pulse", json=token)
                client.post(f"{path}/complete", json=token)


@pytest.mark.slow
def test_claimers_that_crash_never_exceed_a_limit_and_leave_no_slot_unused(
    client: httpx.Client, service: Service, database: psycopg.Connection
) -> None:
    """Each task is done in the end, though workers vanish, and pulse and complete too late."""
    tasks = {
        new_task(client, labels=labels, max_attempts=1000)
        for labels in (["a"], ["b"], ["a", "b"], ["b", "c"], [])
        for _ in range(2 * ROUNDS)
    }
    for label, most in LIMITS.items():
        client.put(f"/v1/queues/{label}", json={"max_leases": most}).raise_for_status()
    done, exceeded = threading.Event(), list[tuple[str, int]]()

    def watch() -> None:
        with psycopg.connect(service.conninfo, autocommit=True) as connection:
            while not done.is_set():
                live: dict[str, int] = dict(connection.execute(LIVE_BY_LABEL).fetchall())
                exceeded.extend((label, live[label]) for label, most in LIMITS.items() if live.get(label, 0) > most)

    def all_done() -> bool:
        return database.execute("select from tasks where status <> 'done'").fetchone() is None

    with ThreadPoolExecutor(CLAIMERS + 1) as pool:
        watching = pool.submit(watch)
        working = [pool.submit(work, number, service, done) for number in range(CLAIMERS)]
        try:
            eventually(all_done)
        finally:
            done.set()
        for each in (watching, *working):
            each.result()
    assert exceeded == []
    assert len(tasks) == database.execute("select count(*) from tasks where status = 'done'").fetchone()[0]  # type: ignore[index]

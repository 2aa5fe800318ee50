"""The races that READ COMMITTED allows, made to happen: who waits for a row sees it anew, the rest as it was."""

import threading
from uuid import UUID

import psycopg
from psycopg import sql as compose

from app.postgres.statements import sql
from app.tasks import update
from tests.app.leases.conftest import Connect
from tests.support.waiting import eventually

CLAIM = sql("leases/claim_task")
SECOND_PREDICATE = f"{sql('fragments/lease_deadline').strip()} <= clock_timestamp()\n"


def quiet_task(connect: Connect) -> str:
    """Make a task whose lease has expired."""
    with connect() as connection:
        row = connection.execute("insert into tasks (title) values ('Work') returning id::text").fetchone()
        assert row is not None
        task_id: str = row[0]
        claim(connection, CLAIM, task_id, "quiet")
        connection.execute("update leases set expires_at = now() where task_id = %s", [task_id])
    return task_id


def claim(connection: psycopg.Connection, statement: str, task_id: str, worker: str) -> bool:
    values = {"id": task_id, "actor": None, "worker": worker, "ttl_s": 60}
    return bool(connection.execute(compose.SQL(statement), values).fetchall())


def wait_until_blocked(connect: Connect) -> None:
    """Return once a session waits for a lock."""
    with connect() as watch:
        eventually(lambda: watch.execute("select from pg_locks where not granted").fetchall())


def claims_of_two(connect: Connect, statement: str) -> list[str]:
    """Let a second worker wait for the task while the first one claims it; return who got it."""
    task_id = quiet_task(connect)
    got = []
    first, second = connect(), connect()

    def wait() -> None:
        if claim(second, statement, task_id, "second"):
            got.append("second")

    waiter = threading.Thread(target=wait)
    with first.transaction():
        if claim(first, statement, task_id, "first"):
            got.append("first")
        waiter.start()
        wait_until_blocked(connect)
    waiter.join()
    return got


def test_a_waiter_that_wakes_on_a_stale_lease_gets_nothing(connect: Connect) -> None:
    for _ in range(5):
        assert claims_of_two(connect, CLAIM) == ["first"]


def test_without_the_second_predicate_both_would_get_it(connect: Connect) -> None:
    """Shows that the test above would notice."""
    assert CLAIM.count(SECOND_PREDICATE) == 1
    mutated = CLAIM.replace(SECOND_PREDICATE, "true\n")
    assert claims_of_two(connect, mutated) == ["first", "second"]


def test_a_waiter_that_never_saw_the_lease_gets_nothing(connect: Connect) -> None:
    """The task was open, without a lease, when the waiter's statement began."""
    with connect() as connection:
        row = connection.execute("insert into tasks (title) values ('Work') returning id::text").fetchone()
        assert row is not None
    got = []
    first, second = connect(), connect()

    def wait() -> None:
        got.append(claim(second, CLAIM, row[0], "second"))

    waiter = threading.Thread(target=wait)
    with first.transaction():
        assert claim(first, CLAIM, row[0], "first")
        waiter.start()
        wait_until_blocked(connect)
    waiter.join()
    assert got == [False]


def change_while_claimed(connect: Connect, statement: str, values: dict[str, object]) -> tuple[object, ...]:
    """Run `statement` on an open task while a claim that it has to wait for commits; return its first row."""
    with connect() as connection:
        row = connection.execute("insert into tasks (title) values ('Work') returning id::text").fetchone()
        assert row is not None
    rows: list[tuple[object, ...]] = []
    first, second = connect(), connect()

    def wait() -> None:
        rows.extend(second.execute(compose.SQL(statement), values | {"id": row[0], "actor": None}))

    waiter = threading.Thread(target=wait)
    with first.transaction():
        assert claim(first, CLAIM, row[0], "first")
        waiter.start()
        wait_until_blocked(connect)
    waiter.join()
    with connect() as connection:
        assert connection.execute("select status::text from tasks where id = %s", [row[0]]).fetchone() == (
            "in_progress",
        )
    return rows[0]


def test_a_delete_that_missed_a_claim_says_that_it_is_not_fresh(connect: Connect) -> None:
    matched, fresh, _ = change_while_claimed(connect, sql("tasks/delete_task"), {"versions": None})
    assert (matched, fresh) == (True, False)


def test_a_status_that_missed_a_claim_says_that_it_is_not_fresh(connect: Connect) -> None:
    done = update.TaskChange(UUID(int=0), "0" * 12, {"status": "done"}, None)
    values: dict[str, object] = {"calls": update._to_recordset([done])}
    *_, fresh, _ = change_while_claimed(connect, update._status_statement(("status",)), values)
    assert fresh is False

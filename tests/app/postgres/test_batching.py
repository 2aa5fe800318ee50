"""Calls that share a statement: each gets its own answer, and no other's error."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import psycopg
import pytest

from app.postgres.batching import LANES, MOST, PATIENCE_S, Batcher
from tests.support.contract import problem
from tests.support.service import Service

WORKERS = 24


@pytest.fixture
def workers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(WORKERS) as pool:
        yield pool


class Database:
    """Doubles numbers, once it may; keeps what was asked for together."""

    def __init__(self) -> None:
        self.statements: list[list[int]] = []
        self.may_answer = asyncio.Event()

    async def double(self, numbers: Sequence[int]) -> list[int]:
        self.statements.append(list(numbers))
        await self.may_answer.wait()
        if any(number < 0 for number in numbers):
            raise psycopg.errors.CheckViolation("negative")
        return [2 * number for number in numbers]


def test_a_call_joins_only_what_is_yet_to_be_sent() -> None:
    async def run() -> None:
        database = Database()
        shared = Batcher(database.double)
        calls: list[asyncio.Task[int]] = []
        for wave in range(LANES + 2):
            calls += [asyncio.create_task(shared(10 * wave + number)) for number in range(3)]
            await asyncio.sleep(PATIENCE_S * 3)
        sent = [number for statement in database.statements for number in statement]
        assert len(database.statements) == LANES
        assert not [number for number in sent if number >= 10 * LANES], "joined a statement that was under way"
        database.may_answer.set()
        assert await asyncio.gather(*calls) == [
            2 * (10 * wave + number) for wave in range(LANES + 2) for number in range(3)
        ]
        assert len(database.statements) == LANES + 1

    asyncio.run(run())


def test_a_call_right_after_the_last_statement_is_answered() -> None:
    async def run() -> None:
        database = Database()
        shared = Batcher(database.double)

        async def call_twice(number: int) -> int:
            return await shared(await shared(number))

        calls = []
        for lane in range(LANES):
            calls.append(asyncio.create_task(call_twice(lane)))
            await asyncio.sleep(PATIENCE_S * 3)
        assert len(database.statements) == LANES
        database.may_answer.set()
        assert await asyncio.wait_for(asyncio.gather(*calls), 60) == [4 * lane for lane in range(LANES)]

    asyncio.run(run())


def test_calls_wait_for_a_quick_statement_and_share_the_next() -> None:
    async def run() -> None:
        database = Database()
        shared = Batcher(database.double)
        first = asyncio.create_task(shared(1))
        await asyncio.sleep(0)
        others = [asyncio.create_task(shared(number)) for number in (2, 3, 4)]
        for _ in range(5):
            await asyncio.sleep(0)
        assert database.statements == [[1]]
        database.may_answer.set()
        assert await asyncio.gather(first, *others) == [2, 4, 6, 8]
        assert database.statements == [[1], [2, 3, 4]]

    asyncio.run(run())


def test_there_is_a_limit_to_what_shares() -> None:
    async def run() -> None:
        database = Database()
        database.may_answer.set()
        shared = Batcher(database.double)
        numbers = range(MOST * 2 + 1)
        assert await asyncio.gather(*map(shared, numbers)) == [2 * number for number in numbers]
        assert max(map(len, database.statements)) == MOST

    asyncio.run(run())


def test_an_error_is_only_for_whom_it_is_about() -> None:
    async def run() -> None:
        database = Database()
        database.may_answer.set()
        shared = Batcher(database.double)
        first, wrong, last = await asyncio.gather(shared(1), shared(-1), shared(3), return_exceptions=True)
        assert (first, last) == (2, 6)
        assert isinstance(wrong, psycopg.errors.CheckViolation)
        assert await shared(4) == 8

    asyncio.run(run())


def test_who_leaves_takes_nobody_along() -> None:
    async def run() -> None:
        database = Database()
        shared = Batcher(database.double)
        leaving, staying = asyncio.create_task(shared(1)), asyncio.create_task(shared(2))
        await asyncio.sleep(0)
        leaving.cancel()
        database.may_answer.set()
        assert await staying == 4
        assert leaving.cancelled()

    asyncio.run(run())


def test_a_database_that_is_away_is_away_for_all() -> None:
    async def away(_: Sequence[int]) -> list[int]:
        raise psycopg.OperationalError("gone")

    async def run() -> None:
        answers = await asyncio.gather(*map(Batcher(away), range(3)), return_exceptions=True)
        assert [type(answer) for answer in answers] == [psycopg.OperationalError] * 3

    asyncio.run(run())


def test_each_reader_gets_its_own_task(client: httpx.Client, workers: ThreadPoolExecutor) -> None:
    ids = [client.post("/v1/tasks", json={"title": str(n)}).json()["id"] for n in range(20)]
    wanted = random.choices([*ids, str(uuid4())], k=400)

    def read(task_id: str) -> None:
        response = client.get(f"/v1/tasks/{task_id}")
        if task_id in ids:
            assert response.json()["title"] == str(ids.index(task_id))
        else:
            assert task_id in problem(response, 404, "not-found")["detail"]

    list(workers.map(read, wanted))


def test_readers_see_their_own_writes(client: httpx.Client, workers: ThreadPoolExecutor) -> None:
    """While many read the same few tasks: an answer that is older than the client's own change would be wrong."""
    ids = [client.post("/v1/tasks", json={"title": "x"}).json()["id"] for _ in range(4)]

    def write_and_read(number: int) -> None:
        task_id = ids[number % len(ids)]
        for attempt in range(15):
            written = client.patch(f"/v1/tasks/{task_id}", json={"title": f"{number}-{attempt}"}).json()
            assert client.get(f"/v1/tasks/{task_id}").json()["version"] >= written["version"]
            created = client.post("/v1/tasks", json={"title": f"{number}-{attempt}"}).json()
            assert client.get(f"/v1/tasks/{created['id']}").json() == created

    list(workers.map(write_and_read, range(WORKERS)))


def test_a_refused_insert_refuses_no_other(
    client: httpx.Client, database: psycopg.Connection, workers: ThreadPoolExecutor
) -> None:
    titles = [f"refused {n}" if n % 5 == 0 else f"title {n}" for n in range(200)]
    database.execute("alter table tasks add constraint refuse check (title not like 'refused%')")
    try:
        answers = list(workers.map(lambda title: client.post("/v1/tasks", json={"title": title}), titles))
    finally:
        database.execute("alter table tasks drop constraint refuse")
    for title, answer in zip(titles, answers, strict=True):
        if title.startswith("refused"):
            problem(answer, 500, "internal-error")
        else:
            assert answer.status_code == 201
            assert answer.json()["title"] == title
            assert answer.headers["location"] == f"/v1/tasks/{answer.json()['id']}"
    rows = database.execute("select title from tasks").fetchall()
    assert sorted(title for (title,) in rows) == sorted(title for title in titles if title.startswith("title"))


def test_the_history_names_who_created_each(
    client: httpx.Client, service: Service, database: psycopg.Connection, workers: ThreadPoolExecutor
) -> None:
    from app.keys import admin as keys

    callers = {key.split("_")[1]: key for key in (keys.create(service.settings, "w", ("write",), None) for _ in "abc")}

    def create(number: int) -> tuple[str, str]:
        key_id = list(callers)[number % 3]
        headers = {"Authorization": f"Bearer {callers[key_id]}"}
        response = client.post("/v1/tasks", json={"title": str(number)}, headers=headers)
        assert response.status_code == 201, response.text
        return response.json()["id"], key_id

    made = dict(workers.map(create, range(150)))
    rows = database.execute("select task_id::text, actor, after ->> 'id' from history").fetchall()
    assert {task_id: actor for task_id, actor, _ in rows} == made
    assert all(task_id == described for task_id, _, described in rows)


def test_changes_share_a_transaction_and_each_is_its_own(
    client: httpx.Client, database: psycopg.Connection, workers: ThreadPoolExecutor
) -> None:
    ids = [client.post("/v1/tasks", json={"title": str(n)}).json()["id"] for n in range(WORKERS)]
    fields: list[dict[str, object]]
    fields = [{"title": "t"}, {"priority": "high"}, {"title": "t", "labels": ["a"]}, {"assignee": "x", "due_at": None}]

    def change(number: int) -> None:
        task_id, patch = ids[number % WORKERS], {**fields[number % 4], "description": f"{number}"}
        answer = client.patch(f"/v1/tasks/{task_id}", json=patch).json()
        assert answer["id"] == task_id
        assert answer.items() >= patch.items()

    list(workers.map(change, range(WORKERS * 20)))
    [(transactions, changes)] = database.execute(
        "select count(distinct transaction), count(*) from history where action = 'updated'"
    ).fetchall()
    assert changes == WORKERS * 20
    assert transactions < changes, "no two changes shared a statement"


def test_changes_of_one_task_follow_each_other(
    client: httpx.Client, database: psycopg.Connection, workers: ThreadPoolExecutor
) -> None:
    path = client.post("/v1/tasks", json={"title": "0"}).headers["location"]
    titles = [str(n + 1) for n in range(WORKERS * 10)]
    answers = list(workers.map(lambda title: client.patch(path, json={"title": title}).json(), titles))
    assert sorted(answer["version"] for answer in answers) == [n + 2 for n in range(len(titles))]
    assert [answer["title"] for answer in answers] == titles
    rows = database.execute(
        "select before ->> 'title', after ->> 'title' from history where action = 'updated' order by version"
    ).fetchall()
    assert [was for was, _ in rows] == ["0", *(becomes for _, becomes in rows[:-1])]
    assert {becomes for _, becomes in rows} == set(titles)


def test_a_precondition_fails_for_whom_it_does(client: httpx.Client, workers: ThreadPoolExecutor) -> None:
    ids = [client.post("/v1/tasks", json={"title": "x"}).json()["id"] for _ in range(WORKERS * 10)]

    def change(number: int) -> None:
        version = 1 + number % 3
        headers = {"If-Match": f'"{version}"'}
        answer = client.patch(f"/v1/tasks/{ids[number]}", json={"title": "y"}, headers=headers)
        assert answer.status_code == (200 if version == 1 else 412)

    list(workers.map(change, range(len(ids))))
    for number, task_id in enumerate(ids):
        assert client.get(f"/v1/tasks/{task_id}").json()["version"] == (2 if number % 3 == 0 else 1)


def test_a_change_that_waits_for_a_lock_holds_up_no_other(
    client: httpx.Client, service: Service, workers: ThreadPoolExecutor
) -> None:
    locked, *others = [client.post("/v1/tasks", json={"title": "x"}).json()["id"] for _ in range(WORKERS)]

    def change(task_id: str) -> str:
        return str(client.patch(f"/v1/tasks/{task_id}", json={"title": "y"}).raise_for_status().json()["title"])

    with psycopg.connect(service.conninfo) as holder:
        holder.execute("select from tasks where id = %s for update", [locked])
        waiting = workers.submit(change, locked)
        assert set(workers.map(change, others * 5)) == {"y"}
        assert not waiting.done()
        holder.rollback()
    assert waiting.result(timeout=60) == "y"


def test_a_refused_change_refuses_no_other(
    client: httpx.Client, database: psycopg.Connection, workers: ThreadPoolExecutor
) -> None:
    ids = [client.post("/v1/tasks", json={"title": "x"}).json()["id"] for _ in range(100)] + [str(uuid4())] * 20
    database.execute("alter table tasks add constraint refuse check (title not like 'refused%')")

    def change(number: int) -> None:
        task_id, title = ids[number], "refused" if number % 5 == 0 else f"title {number}"
        answer = client.patch(f"/v1/tasks/{task_id}", json={"title": title})
        if number >= 100:
            problem(answer, 404, "not-found")
        elif title == "refused":
            problem(answer, 500, "internal-error")
        else:
            assert answer.json()["title"] == title

    try:
        list(workers.map(change, random.sample(range(120), 120)))
    finally:
        database.execute("alter table tasks drop constraint refuse")

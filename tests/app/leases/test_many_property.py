"""Many at once against everything else: each lease ends once, verdicts are true, and nothing deadlocks."""

import random
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest

from app.dev.postgres import EmbeddedPostgres
from tests.support.leases import LIVE_BY_LABEL, Json, expire
from tests.support.service import Service, fresh_database
from tests.support.waiting import eventually

TASKS = 24
WORKERS = 4
ROUNDS = 25
LABELS: list[list[str]] = [[], ["a"], ["b"], ["a", "b"]]
LIMITS = {"a": 6, "b": 5}
ENDINGS = ("completed", "failed", "released", "requeued")


class Worker:
    """Claims, pulses and ends tasks, alone and many at once, and keeps what it was answered."""

    def __init__(self, client: httpx.Client, number: int) -> None:
        self._client = client
        self._random = random.Random(number)
        self._held: list[Json] = []
        self.ended: Counter[tuple[str, str]] = Counter()
        """Tokens whose end was accepted, by what the worker called, without what was answered again."""
        self.calls: Counter[str] = Counter()

    def call(self, path: str, body: Json) -> httpx.Response:
        return patiently(self._client, path, body)

    def work(self) -> None:
        for _ in range(ROUNDS):
            self.claim()
            self._random.shuffle(self._held)
            self._random.choice([self.pulse, self.pulse_one, self.end, self.end, self.end_one])()

    def claim(self) -> None:
        limit = self._random.randint(1, 6)
        response = self.call("claim", {"worker": "w", "ttl_s": 600, "limit": limit})
        if response.status_code == 200:
            self._held += [
                {"id": each["task"]["id"], "token": each["lease"]["token"]} for each in response.json()["items"]
            ]

    def some(self) -> list[Json]:
        return self._held[: self._random.randint(1, 12)]

    def pulse(self) -> None:
        if items := self.some():
            verdicts = self.call("pulse", {"items": one_a_task(items)}).json()["items"]
            self.calls["pulse"] += 1
            self.forget(items, verdicts)

    def pulse_one(self) -> None:
        for item in self.some()[:1]:
            response = self.call(f"{item['id']}/pulse", {"token": item["token"]})
            self.forget([item], [{"ok": response.is_success, "id": item["id"]}])

    def forget(self, items: list[Json], verdicts: list[Json]) -> None:
        """Leave some of the lost ones, so that their tokens are used again."""
        lost = {verdict["id"] for verdict in verdicts if not verdict["ok"]}
        if self._random.random() < 0.8:
            self._held = [item for item in self._held if item not in items or item["id"] not in lost]

    def end(self) -> None:
        items = one_a_task(self.some())
        if not items:
            return
        name = self._random.choice(["complete", "fail"])
        more = {"error": "x"} if name == "fail" else {"result": self._random.random()}
        verdicts = self.call(name, {"items": [item | more for item in items]}).json()["items"]
        assert [verdict["id"] for verdict in verdicts] == [item["id"] for item in items]
        self.calls[name] += 1
        for item, verdict in zip(items, verdicts, strict=True):
            if verdict["ok"]:
                self.ended[item["token"], name] = 1
            else:
                assert verdict["type"] in ("/problems/lease-lost", "/problems/task-finished", "/problems/not-found")
        if self._random.random() < 0.8:
            self._held = [item for item in self._held if item not in items]

    def end_one(self) -> None:
        for item in self.some()[:1]:
            name = self._random.choice(["complete", "fail"])
            body = {"token": item["token"]} | ({"error": "x"} if name == "fail" else {})
            if self.call(f"{item['id']}/{name}", body).is_success:
                self.ended[item["token"], name] = 1
            self._held.remove(item)


def patiently(client: httpx.Client, path: str, body: Json) -> httpx.Response:
    """Make a call, again while the machine is so busy that a statement takes longer than the service waits."""
    while True:
        response = client.post(f"/v1/tasks/{path}", json=body)
        if response.status_code != 503:
            assert response.status_code < 500, f"{path}: {response.text}"
            return response
        assert response.json()["type"] == "/problems/overloaded", response.text


def one_a_task(items: list[Json]) -> list[Json]:
    return list({item["id"]: item for item in items}.values())


class Operator(Worker):
    """Requeues and cancels many at once, by overlapping ids and by filters, while workers work."""

    def __init__(self, client: httpx.Client, number: int, ids: list[str]) -> None:
        super().__init__(client, number)
        self._ids = ids

    def work(self) -> None:
        for _ in range(ROUNDS):
            action = self._random.choice(["requeue", "requeue", "cancel"])
            if self._random.random() < 0.5:
                body: Json = {"ids": self._random.sample(self._ids, TASKS // 2)}
            else:
                status = self._random.choice(["failed", "done", "cancelled", "open"])
                body = {"filter": {"status": status}, "limit": self._random.randint(1, TASKS)}
            outcome = self.call(action, body).json()
            assert outcome["changed"] + outcome["skipped"] <= TASKS
            self.calls[action] += outcome["changed"] > 0


def expire_some(database: psycopg.Connection, stopped: threading.Event) -> None:
    """Let leases expire, and see that no queue has more than it may have."""
    while not stopped.wait(0.02):
        live = database.execute(LIVE_BY_LABEL).fetchall()
        assert all(number <= LIMITS[label] for label, number in live if label in LIMITS)
        database.execute(  # one at a time: an update locks rows in no order
            "update leases set expires_at = clock_timestamp()"
            " where task_id = (select task_id from leases order by random() limit 1)"
        )


@pytest.fixture
def apart(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[Service]:
    """A service of its own, which ends without a deadlock; its sessions count them when they end at the latest."""
    with Service(fresh_database(postgres), tmp_path / "log") as running:
        yield running
    with psycopg.connect(running.conninfo) as database:
        row = database.execute("select deadlocks from pg_stat_database where datname = current_database()").fetchone()
        assert row == (0,)


def test_each_lease_ends_once(apart: Service) -> None:
    headers = {"Authorization": f"Bearer {apart.key}"}
    with (
        httpx.Client(base_url=apart.url, headers=headers, timeout=60) as client,
        psycopg.connect(apart.conninfo, autocommit=True) as database,
    ):
        for label, most in LIMITS.items():
            database.execute("insert into queues (label, max_leases) values (%s, %s)", [label, most])
        for number in range(TASKS):
            database.execute(
                "insert into tasks (title, labels, max_attempts, unique_key) values ('x', %s, 1000, %s)",
                [LABELS[number % 4], f"key {number % 16}" if number < 16 else None],
            )
        ids = [task_id for (task_id,) in database.execute("select id::text from tasks").fetchall()]
        workers = [Worker(client, number) for number in range(WORKERS)]
        operators = [Operator(client, 100 + number, ids) for number in range(2)]
        stopped = threading.Event()
        with ThreadPoolExecutor() as pool:
            expiring = pool.submit(expire_some, database, stopped)
            for running in [pool.submit(each.work) for each in (*workers, *operators)]:
                running.result()
            stopped.set()
            expiring.result()

        ended = sum((each.ended for each in workers), Counter[tuple[str, str]]())
        tokens = Counter(token for token, _ in ended)
        assert max(tokens.values()) == 1, "a token ended its lease in two ways"
        rows = database.execute(
            "select action::text, count(*) from history where action in ('completed', 'failed') group by action"
        ).fetchall()
        written: dict[str, int] = dict(rows)
        assert written.get("completed", 0) == sum(name == "complete" for _, name in ended)
        assert written.get("failed", 0) == sum(name == "fail" for _, name in ended)
        assert_one_lease_after_the_other(database)
        calls = sum((each.calls for each in (*workers, *operators)), Counter[str]())
        assert {"pulse", "complete", "fail", "requeue", "cancel"} <= calls.keys()


def assert_one_lease_after_the_other(database: psycopg.Connection) -> None:
    """Versions of a task grow, and between two claims there is an end, or an expiry."""
    rows = database.execute(
        "select task_id::text, action::text, version, after from history order by task_id, sequence"
    ).fetchall()
    held: dict[str, bool] = {}
    versions: dict[str, int] = {}
    for task_id, action, version, after in rows:
        assert version > versions.get(task_id, 0)
        versions[task_id] = version
        if action == "claimed":
            assert not held.get(task_id), "claimed twice"
            held[task_id] = True
        elif action in (*ENDINGS, "expired") or (after or {}).get("status") == "cancelled":
            held[task_id] = False


def test_calls_about_the_same_tasks_do_not_deadlock(apart: Service) -> None:
    """In opposite orders: bulk calls, batches of tasks with the same keys, and the sweep."""
    keys = [f"key {number}" for number in range(20)]
    headers = {"Authorization": f"Bearer {apart.key}"}
    with httpx.Client(base_url=apart.url, headers=headers, timeout=60) as client:
        tasks = [{"title": "x", "unique_key": key} for key in keys]
        ids = [each["id"] for each in client.post("/v1/tasks/batch", json={"tasks": tasks}).json()["items"]]

        def send(number: int) -> None:
            chance = random.Random(number)
            for _ in range(20):
                some = chance.sample(ids, 15)
                calls: list[tuple[str, Json]] = [
                    ("requeue", {"ids": some}),
                    ("cancel", {"ids": some}),
                    ("cancel", {"filter": {"ready": True}}),
                    ("requeue", {"filter": {"status": ["cancelled", "done"]}}),
                    ("batch", {"tasks": [{"title": "y", "unique_key": key} for key in chance.sample(keys, 15)]}),
                    ("claim", {"worker": "w", "ttl_s": 1, "limit": 5}),
                ]
                path, body = chance.choice(calls)
                response = patiently(client, path, body)
                assert response.status_code < 300, response.text

        with ThreadPoolExecutor(6) as pool:
            for sending in [pool.submit(send, number) for number in range(6)]:
                sending.result()
        with psycopg.connect(apart.conninfo) as database:
            held = "select count(*) from tasks where finished_at is null group by unique_key having count(*) > 1"
            assert database.execute(held).fetchall() == []


def test_a_token_is_worth_nothing_after_another_claim(apart: Service) -> None:
    """Also where the claim is under way while many are ended."""
    headers = {"Authorization": f"Bearer {apart.key}"}
    with (
        httpx.Client(base_url=apart.url, headers=headers, timeout=60) as client,
        psycopg.connect(apart.conninfo, autocommit=True) as database,
    ):
        items = []
        for _ in range(3):
            client.post("/v1/tasks", json={"title": "x"}).raise_for_status()
            [claimed] = client.post("/v1/tasks/claim", json={"worker": "w", "ttl_s": 60}).json()["items"]
            items.append({"id": claimed["task"]["id"], "token": claimed["lease"]["token"]})
        expire(database, items[1]["id"])
        with psycopg.connect(apart.conninfo) as other, ThreadPoolExecutor(1) as pool:
            other.execute("select from tasks where id = %s for update", [items[1]["id"]])
            ending = pool.submit(client.post, "/v1/tasks/complete", json={"items": list(reversed(items))})
            waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = %s"
            eventually(lambda: database.execute(waiting, [apart.settings.db_name]).fetchone() == (1,))
            other.execute(
                "update leases set token = gen_random_uuid(), expires_at = now() + interval '1 minute'"
                " where task_id = %s",
                [items[1]["id"]],
            )
            other.commit()
            assert [verdict["ok"] for verdict in ending.result().json()["items"]] == [True, False, True]

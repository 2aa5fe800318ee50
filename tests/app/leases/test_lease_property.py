"""Leases against a simple model: any order of calls, crashes of workers, delays past expiry, and crashed databases."""

import signal
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from app.dev.postgres import EmbeddedPostgres
from tests.support.leases import Json, problem
from tests.support.service import Service, empty, fresh_database
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("lease-property")  # they share a service

PRIORITIES = ["urgent", "high", "normal", "low"]
LIVE_STATUS = ("open", "in_progress")


@dataclass
class ModelLease:
    token: str
    attempt: int
    expired: bool = False
    sheltered: bool = False
    """Its last pulse was before the database crashed: it counts as live for as long as the grace."""

    @property
    def live(self) -> bool:
        return self.sheltered or not self.expired


@dataclass
class ModelTask:
    id: str
    priority: str
    max_attempts: int
    status: str = "open"
    fence: int = 0
    attempts: int = 0
    resting: bool = False
    cancel_requested: bool = False
    completed_by: str = ""
    ended_by: str = ""
    lease: ModelLease | None = None
    old_tokens: list[str] = field(default_factory=list)

    @property
    def claimable(self) -> bool:
        if self.lease is None:
            return self.status in LIVE_STATUS and not self.resting
        return not self.lease.live and not self.cancel_requested and self.lease.attempt < self.max_attempts

    @property
    def visible_attempts(self) -> set[int]:
        """The sweeper counts an expiry when it comes by, so that there are two answers for a while."""
        return {self.attempts} if self.lease is None else {self.lease.attempt - 1, self.lease.attempt}

    def granted(self, lease: Json) -> None:
        attempt = (self.lease.attempt if self.lease else self.attempts) + 1
        assert lease["fence"] == self.fence + 1
        assert lease["attempt"] == attempt
        assert lease["token"] not in self.old_tokens
        self.status, self.fence, self.ended_by = "in_progress", lease["fence"], ""
        self.lease = ModelLease(lease["token"], attempt)
        self.old_tokens.append(lease["token"])

    def end(self, status: str, attempts: int) -> None:
        self.status = "cancelled" if self.cancel_requested and status != "done" else status
        self.attempts, self.cancel_requested, self.lease = attempts, False, None


class World:
    """The real parts that all examples share."""

    postgres: EmbeddedPostgres
    service: Service
    client: httpx.Client

    def database(self) -> psycopg.Connection:
        return psycopg.connect(self.service.conninfo, autocommit=True)

    def crash_database(self) -> None:
        self.postgres.stop(signal.SIGQUIT)
        self.postgres.start()
        eventually(lambda: self.client.get("/v1/tasks").status_code == 200)


WORLD = World()
tasks = st.integers(0, 11)
seldom = st.sampled_from([False, False, False, True])


class Leases(RuleBasedStateMachine):
    counts: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.tasks: list[ModelTask] = []
        with WORLD.database() as database:
            empty(database)

    # What every step shares

    def pick(self, number: int) -> ModelTask:
        return self.tasks[number % len(self.tasks)]

    def call(self, name: str, path: str, **body: Any) -> httpx.Response:
        response = WORLD.client.post(f"/v1/tasks/{path}", json=body)
        outcome = problem(response) if response.is_error else str(response.status_code)
        self.counts[f"{name} {outcome}"] += 1
        return response

    def check(self, task: ModelTask, body: Json | None = None) -> None:
        """Compare a task as the API shows it with the model."""
        if body is None:
            body = WORLD.client.get(f"/v1/tasks/{task.id}").json()
        assert (body["status"], body["fence"], body["cancel_requested"]) == (
            task.status,
            task.fence,
            task.cancel_requested,
        )
        assert body["attempts"] in task.visible_attempts

    def refused(self, response: httpx.Response, *names: str) -> None:
        assert response.status_code == 409, response.text
        assert problem(response) in names
        if "task-claimed" in names:
            assert int(response.headers["retry-after"]) >= 1

    def token(self, task: ModelTask, old: bool) -> str:
        """Return the present token, or the one of a worker that lost or ended its lease."""
        earlier = [token for token in task.old_tokens if task.lease is None or token != task.lease.token]
        if old or task.lease is None:
            return earlier[-1] if earlier else str(uuid.uuid4())
        return task.lease.token

    def holds(self, task: ModelTask, token: str) -> bool:
        return task.lease is not None and task.lease.token == token

    # Rules

    @initialize()
    def begin(self) -> None:
        for max_attempts in (1, 2, 3):
            self.create(PRIORITIES[max_attempts], max_attempts)

    @rule(priority=st.sampled_from(PRIORITIES), max_attempts=st.integers(1, 3))
    def create(self, priority: str, max_attempts: int) -> None:
        if len(self.tasks) < 12:
            body = {"title": "Work", "priority": priority, "max_attempts": max_attempts}
            created = WORLD.client.post("/v1/tasks", json=body).json()
            self.tasks.append(ModelTask(created["id"], priority, max_attempts))

    @precondition(lambda self: self.tasks)
    @rule(number=tasks, worker=st.sampled_from(["w1", "w2", "w3"]), lose_answer=st.booleans())
    def claim(self, number: int, worker: str, lose_answer: bool) -> None:
        task = self.pick(number)
        headers = {"Idempotency-Key": str(uuid.uuid4())} if lose_answer else {}
        body = {"worker": worker, "ttl_s": 600}
        response = WORLD.client.post(f"/v1/tasks/{task.id}/claim", json=body, headers=headers)
        self.counts[f"claim {problem(response) if response.is_error else 200}"] += 1
        if lose_answer and response.is_success:
            again = WORLD.client.post(f"/v1/tasks/{task.id}/claim", json=body, headers=headers)
            assert again.json() == response.json()
        if task.claimable:
            assert response.status_code == 200, response.text
            task.granted(response.json()["lease"])
            self.check(task, response.json()["task"])
        else:
            self.refused(response, "task-claimed" if task.status in LIVE_STATUS else "task-finished")

    @precondition(lambda self: self.tasks)
    @rule(limit=st.integers(1, 3))
    def claim_any(self, limit: int) -> None:
        order = sorted(
            # A task in progress without a lease is somebody's by hand; the model makes none.
            (task for task in self.tasks if task.claimable),
            key=lambda task: (PRIORITIES.index(task.priority), task.id),
        )[:limit]
        response = self.call("claim any", "claim", worker="w", ttl_s=600, limit=limit)
        assert response.status_code == (200 if order else 204), response.text
        for task, item in zip(order, response.json()["items"] if order else [], strict=True):
            assert item["task"]["id"] == task.id
            task.granted(item["lease"])

    @precondition(lambda self: self.tasks)
    @rule(number=tasks, old=seldom)
    def pulse(self, number: int, old: bool) -> None:
        task = self.pick(number)
        token = self.token(task, old)
        response = self.call("pulse", f"{task.id}/pulse", token=token)
        if task.lease is not None and self.holds(task, token):
            assert response.json()["cancel_requested"] == task.cancel_requested
            task.lease.expired = task.lease.sheltered = False
        else:
            self.refused(response, "lease-lost")

    @precondition(lambda self: self.tasks)
    @rule(number=tasks, old=seldom)
    def complete(self, number: int, old: bool) -> None:
        task = self.pick(number)
        token = self.token(task, old)
        response = self.call("complete", f"{task.id}/complete", token=token)
        if self.holds(task, token):
            attempts = WORLD.client.get(f"/v1/tasks/{task.id}").json()["attempts"]
            assert attempts in task.visible_attempts
            task.completed_by = token
            task.end("done", attempts)
            self.check(task, response.json())
        elif task.status == "done" and token == task.completed_by:
            self.check(task, response.json())
        else:
            self.refused(response, "lease-lost" if task.status in LIVE_STATUS else "task-finished")

    @precondition(lambda self: self.tasks)
    @rule(number=tasks, old=seldom, retry_in_s=st.sampled_from([None, 0, 600]))
    def fail(self, number: int, old: bool, retry_in_s: int | None) -> None:
        task = self.pick(number)
        token = self.token(task, old)
        response = self.call("fail", f"{task.id}/fail", token=token, error="it broke", retry_in_s=retry_in_s)
        if task.lease is not None and self.holds(task, token):
            attempt = task.lease.attempt
            task.end("failed" if attempt >= task.max_attempts else "open", attempt)
            task.resting = task.status == "open" and retry_in_s == 600
            task.ended_by = token
            self.check(task, response.json())
        elif token and token == task.ended_by:
            self.check(task, response.json())
        else:
            self.refused(response, "lease-lost" if task.status in LIVE_STATUS else "task-finished")

    @precondition(lambda self: self.tasks)
    @rule(number=tasks, old=seldom)
    def release(self, number: int, old: bool) -> None:
        task = self.pick(number)
        token = self.token(task, old)
        response = self.call("release", f"{task.id}/release", token=token)
        if task.lease is not None and self.holds(task, token):
            task.end("open", task.lease.attempt - 1)
            task.ended_by = token
            self.check(task, response.json())
        elif token and token == task.ended_by:
            self.check(task, response.json())
        else:
            self.refused(response, "lease-lost" if task.status in LIVE_STATUS else "task-finished")

    @precondition(lambda self: self.tasks)
    @rule(number=tasks, what=st.sampled_from(["cancelled", "cancelled", "open", "done", "requeue", "delete"]))
    def interfere(self, number: int, what: str) -> None:
        """Do what people do to tasks that workers may hold."""
        task = self.pick(number)
        if what == "requeue":
            self.requeue(task)
        elif what == "delete":
            self.delete(task)
        else:
            self.patch_status(task, what)

    def requeue(self, task: ModelTask) -> None:
        response = self.call("requeue", f"{task.id}/requeue")
        if task.lease is not None and task.lease.live:
            self.refused(response, "task-claimed")
        else:
            task.cancel_requested = False
            task.completed_by, task.resting = "", False
            task.end("open", 0)
            self.check(task, response.json())

    def patch_status(self, task: ModelTask, status: str) -> None:
        response = WORLD.client.patch(f"/v1/tasks/{task.id}", json={"status": status})
        self.counts[f"patch {problem(response) if response.is_error else 200}"] += 1
        if task.lease is not None and task.lease.live:
            if status != "cancelled":
                self.refused(response, "task-claimed")
                return
            task.cancel_requested = True
        else:
            attempts = response.json()["attempts"]
            assert attempts in task.visible_attempts
            task.cancel_requested = False
            task.end(status, attempts)
        self.check(task, response.json())

    def delete(self, task: ModelTask) -> None:
        response = WORLD.client.delete(f"/v1/tasks/{task.id}")
        self.counts[f"delete {problem(response) if response.is_error else 204}"] += 1
        if task.lease is not None and task.lease.live:
            self.refused(response, "task-claimed")
        else:
            assert response.status_code == 204
            self.tasks.remove(task)

    @precondition(lambda self: any(task.lease for task in self.tasks))
    @rule(number=tasks, past_the_grace=st.booleans())
    def time_passes(self, number: int, past_the_grace: bool) -> None:
        """Let a lease run out: its worker crashed, or is late."""
        held = [task for task in self.tasks if task.lease is not None]
        task = held[number % len(held)]
        assert task.lease is not None
        self.counts["delay past expiry"] += 1
        ago = 31 if past_the_grace and not task.lease.sheltered else 0
        with WORLD.database() as database:
            database.execute(
                "update leases set expires_at = now() - %s * interval '1 second' where task_id = %s", [ago, task.id]
            )
        task.lease.expired = True
        if task.lease.live:
            return
        if task.cancel_requested:
            self.swept(task, "cancelled")
        elif ago and task.lease.attempt >= task.max_attempts:
            self.swept(task, "failed")

    def swept(self, task: ModelTask, status: str) -> None:
        assert task.lease is not None
        eventually(lambda: WORLD.client.get(f"/v1/tasks/{task.id}").json()["status"] != "in_progress")
        self.counts[f"swept {status}"] += 1
        task.end(status, task.lease.attempt)
        self.check(task)

    @precondition(lambda self: any(task.resting for task in self.tasks))
    @rule()
    def rests_end(self) -> None:
        with WORLD.database() as database:
            database.execute("update tasks set claimable_at = now() where claimable_at is not null")
        for task in self.tasks:
            task.resting = False

    @precondition(lambda self: any(task.lease for task in self.tasks))
    @rule(dice=st.integers(0, 11))
    def database_crashes(self, dice: int) -> None:
        if dice < 11:
            return
        self.counts["database crashed"] += 1
        WORLD.crash_database()
        for task in self.tasks:
            if task.lease is not None:
                task.lease.sheltered = True

    @precondition(lambda self: any(task.lease and task.lease.sheltered for task in self.tasks))
    @rule()
    def grace_after_the_crash_ends(self) -> None:
        """As if all had pulsed once since the crash: the start of the database cannot be moved."""
        self.counts["grace ended"] += 1
        with WORLD.database() as database:
            database.execute("update leases set pulsed_at = clock_timestamp()")
        for task in self.tasks:
            if task.lease is not None:
                task.lease.sheltered = False
                if task.lease.expired and task.cancel_requested:
                    self.swept(task, "cancelled")

    def teardown(self) -> None:
        """No task is lost: each is there as the model has it, and what can be worked on can be had."""
        self.counts["examples"] += 1
        for task in self.tasks:
            self.check(task)
        expected = {task.id for task in self.tasks if task.claimable}
        items = self.call("last claim", "claim", worker="w", ttl_s=600, limit=100)
        assert {item["task"]["id"] for item in (items.json()["items"] if expected else [])} == expected


@pytest.fixture(scope="module", autouse=True)
def _world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A database of its own, which may crash, and a service on it."""
    folder: Path = tmp_path_factory.mktemp("property")
    with (
        EmbeddedPostgres(folder / "postgres", {"fsync": "off"}) as WORLD.postgres,
        Service(fresh_database(WORLD.postgres), folder / "log") as WORLD.service,
        httpx.Client(base_url=WORLD.service.url, timeout=20) as WORLD.client,
    ):
        WORLD.client.headers["Authorization"] = f"Bearer {WORLD.service.key}"
        yield
    print(dict(sorted(Leases.counts.items())))


def run(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Leases,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert Leases.counts["examples"] >= examples


def test_leases_behave_as_the_model() -> None:
    run(examples=8, steps=30)


@pytest.mark.slow
def test_leases_behave_as_the_model_for_long() -> None:
    run(examples=150, steps=50)

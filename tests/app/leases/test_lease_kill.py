"""Sixteen workers that are killed at random, and a sink that keeps the highest fence of each task."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from app.dev.postgres import EmbeddedPostgres
from tests.support.service import Service, fresh_database

TASKS = int(os.environ.get("KILL_TEST_TASKS", "4000"))
WORKERS = 16
WITHIN_S = 300 + TASKS / 20
WORKER = Path(__file__).parents[2] / "support" / "crash_worker.py"

SINK = """
create table sink (task_id uuid primary key, fence bigint not null);
create table attempts_to_write (task_id uuid not null, fence bigint not null, accepted boolean not null);
"""

HIGHEST_FENCE_WON = """
select count(*)
from sink
where fence = (select max(fence) from attempts_to_write as every where every.task_id = sink.task_id)
"""
FENCES_GIVEN_TWICE = """
select count(*)
from (select from history where action = 'claimed' group by task_id, after->>'fence' having count(*) > 1) as given
"""


@pytest.fixture
def own(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[Service]:
    """A service with all those tasks."""
    with Service(fresh_database(postgres), tmp_path / "log", {"LOG_LEVEL": "WARNING"}) as service:
        headers = {"Authorization": f"Bearer {service.key}"}
        with httpx.Client(base_url=service.url, headers=headers, timeout=30) as client:
            for _ in range(TASKS // 1000):
                batch = [{"title": "Work", "max_attempts": 1000} for _ in range(1000)]
                assert client.post("/v1/tasks/batch", json={"tasks": batch}).status_code == 201
        yield service


def start(service: Service) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(WORKER), str(service.port), service.key, service.conninfo])


@pytest.mark.slow
def test_every_task_ends_once_and_no_lower_fence_wins(own: Service) -> None:
    with psycopg.connect(own.conninfo, autocommit=True) as database:
        database.execute(SINK)
        kills, started = 0, time.monotonic()
        workers = [start(own) for _ in range(WORKERS)]
        try:
            while database.execute("select exists (select from tasks where status <> 'done')").fetchone() == (True,):
                assert time.monotonic() - started < WITHIN_S
                time.sleep(random.uniform(0.2, 1))
                victim = random.randrange(WORKERS)
                if workers[victim].poll() is None:
                    workers[victim].kill()
                    kills += 1
                else:
                    assert workers[victim].returncode == 0, "a worker failed; its traceback is above"
                workers[victim].wait()
                workers[victim] = start(own)
            seconds = time.monotonic() - started
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()

        def count(query: str) -> int:
            row = database.execute(query.encode()).fetchone()
            assert row is not None
            number: int = row[0]
            return number

        assert count("select count(*) from tasks where status = 'done'") == TASKS
        assert count("select count(*) from history where action = 'completed'") == TASKS
        assert count("select count(*) from sink") == TASKS
        assert count("select count(*) from tasks join sink on task_id = id where tasks.fence = sink.fence") == TASKS
        assert count(HIGHEST_FENCE_WON) == TASKS
        claims = "select count(*) from history where action = 'claimed'"
        assert count(FENCES_GIVEN_TWICE) == 0
        refused = count("select count(*) from attempts_to_write where not accepted")
        assert kills > WORKERS
        print(f"{TASKS} tasks, {kills} kills, {count(claims)} claims, {refused} late writes refused, {seconds:.0f} s")

"""Claims and completions per second, beside procrastinate on the same PostgreSQL in the same run.

`make bench-leases` installs what it needs and runs it. Both sides: one task at a time from 16 workers, a commit for
the claim and one for the completion, fsync on. Procrastinate is called as a library, by the two calls that its worker
makes for each job; TaskPulse likewise, and then as it is used, over HTTP by one process that serves all workers.
Beside claiming, TaskPulse writes two history rows a task and gives it a lease that expires by itself.
"""

import asyncio
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

sys.path.insert(0, str(Path(__file__).parents[1]))

import aiohttp
import msgspec
import procrastinate
import psycopg
from procrastinate.jobs import Job, Status

from app.dev.postgres import EmbeddedPostgres
from app.leases import store
from app.leases.model import ClaimMany, Completion
from app.postgres.pool import Database
from tests.support.service import Service, fresh_database

TASKS = 2000
WORKERS = 16
ROUNDS = 3

Worker = Callable[[], Awaitable[int]]


async def rate(worker: Worker) -> float:
    """Let the workers empty the queue; return tasks a second."""
    started = time.perf_counter()
    done = sum(await asyncio.gather(*(worker() for _ in range(WORKERS))))
    if done != TASKS:
        raise RuntimeError(f"{done} of {TASKS} were done")
    return TASKS / (time.perf_counter() - started)


def fill(conninfo: str) -> None:
    """Make open tasks, and leave nothing of those before."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("truncate leases, tasks, history")
        connection.execute("insert into tasks (title) select 'Work ' || n from generate_series(1, %s) n", [TASKS])
        connection.execute("vacuum analyze")


async def library(service: Service) -> float:
    """TaskPulse without HTTP."""
    database = Database(msgspec.structs.replace(service.settings, db_pool_size=WORKERS))

    async def worker() -> int:
        done = 0
        async with database.connection() as connection:
            while claimed := await store.claim_many(connection, "bench", ClaimMany("bench", 60)):
                item = msgspec.json.decode(claimed[0])
                token, task_id = item["lease"]["token"], UUID(item["task"]["id"])
                await store.complete(connection, "bench", task_id, Completion(token))
                done += 1
        return done

    async with database.open():
        while not database.up:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.05)
        return await rate(worker)


async def over_http(service: Service, limit: int) -> float:
    """TaskPulse as its clients see it."""
    headers = {"Authorization": f"Bearer {service.key}"}
    async with aiohttp.ClientSession(service.url, headers=headers) as session:

        async def post(path: str, body: dict[str, Any]) -> Any:
            async with session.post(f"/v1/tasks/{path}", json=body) as response:
                response.raise_for_status()
                return None if response.status == 204 else await response.json()

        async def worker() -> int:
            done = 0
            while answer := await post("claim", {"worker": "bench", "ttl_s": 60, "limit": limit}):
                for item in answer["items"]:
                    await post(f"{item['task']['id']}/complete", {"token": item["lease"]["token"]})
                    done += 1
            return done

        return await rate(worker)


async def peer(conninfo: str) -> float:
    """Procrastinate."""
    connector = procrastinate.PsycopgConnector(conninfo=conninfo, min_size=WORKERS, max_size=WORKERS)
    app = procrastinate.App(connector=connector)
    async with app.open_async():
        if not await app.check_connection_async():
            await app.schema_manager.apply_schema_async()
        await connector.execute_query_async("truncate procrastinate_jobs cascade")
        job = Job(id=None, status=None, queue="q", lock=None, queueing_lock=None, task_name="work", task_kwargs={})
        await app.job_manager.batch_defer_jobs_async([job] * TASKS)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("vacuum analyze")

        async def worker() -> int:
            worker_id, done = await app.job_manager.register_worker(), 0
            while fetched := await app.job_manager.fetch_job(None, worker_id):
                await app.job_manager.finish_job(fetched, Status.SUCCEEDED, delete_job=False)
                done += 1
            return done

        return await rate(worker)


def main() -> None:
    """Run all in turn, three times, and print the medians."""
    logging.getLogger("procrastinate").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "data") as postgres:
        options = {"LOG_LEVEL": "WARNING"}
        with Service(fresh_database(postgres), Path(folder) / "log", options) as service:
            contestants: dict[str, Callable[[], Awaitable[float]]] = {
                f"procrastinate {procrastinate.__version__}, library": lambda: peer(service.conninfo),
                "TaskPulse, library": lambda: library(service),
                "TaskPulse, HTTP, one at a time": lambda: over_http(service, 1),
                "TaskPulse, HTTP, claims of 20": lambda: over_http(service, 20),
            }
            rates: dict[str, list[float]] = {name: [] for name in contestants}
            for _ in range(ROUNDS):
                for name, contest in contestants.items():
                    fill(service.conninfo)
                    rates[name].append(asyncio.run(contest()))
    base = statistics.median(next(iter(rates.values())))
    for name, values in rates.items():
        median = statistics.median(values)
        print(f"{name:40} {median:8.0f} tasks/s   {median / base:5.2f}   ({', '.join(f'{v:.0f}' for v in values)})")


if __name__ == "__main__":
    main()

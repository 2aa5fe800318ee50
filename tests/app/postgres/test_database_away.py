"""What clients see while the database is away, and that the service recovers by itself."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from app.dev.postgres import NAME, EmbeddedPostgres
from app.keys import admin as keys
from app.settings import Settings
from tests.support.contract import problem
from tests.support.service import Service, fresh_database
from tests.support.waiting import eventually

pytestmark = [pytest.mark.alone, pytest.mark.xdist_group("database-away")]  # they share a service, and time refusals


@pytest.fixture(scope="module")
def own_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL server that the tests here stop and start."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="module")
def own_service(own_postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on that server."""
    with Service(fresh_database(own_postgres), tmp_path_factory.mktemp("service") / "log") as running:
        yield running


@pytest.fixture
def client(own_service: Service) -> Iterator[httpx.Client]:
    """A client of that service."""
    headers = {"Authorization": f"Bearer {own_service.key}"}
    with httpx.Client(base_url=own_service.url, headers=headers, timeout=60) as connected:
        assert connected.get("/v1/tasks").status_code == 200
        yield connected


def up(client: httpx.Client) -> str:
    """Return what the metrics say, read with the token that needs no database."""
    text = client.get("/metrics", headers={"Authorization": "Bearer scrape-me"}).text
    return next(line.split()[1] for line in text.splitlines() if line.startswith("taskpulse_database_up "))


def refused(client: httpx.Client) -> None:
    """Assert that every call gets its 503 within two seconds."""
    task = {"title": "x"}
    for method, path, body in (
        ("GET", "/v1/tasks", None),
        ("GET", "/v1/events", None),
        ("POST", "/v1/tasks", task),
        ("POST", "/v1/tasks/batch", {"tasks": [task]}),
    ):
        response = client.request(method, path, json=body)
        problem(response, 503, "database-unavailable")
        assert response.elapsed.total_seconds() < 2
        assert int(response.headers["retry-after"]) > 0


def recovered(client: httpx.Client, since: float) -> None:
    """Assert that requests succeed again within five seconds, and go on doing so."""
    while client.get("/v1/tasks").status_code != 200:
        assert time.monotonic() < since + 5
        time.sleep(0.05)
    assert [client.post("/v1/tasks", json={"title": "x"}).status_code for _ in range(20)] == [201] * 20
    assert up(client) == "1.0"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["shut down", "crashed"])
def test_it_works(client: httpx.Client, own_postgres: EmbeddedPostgres, how: signal.Signals) -> None:
    acknowledged = client.post("/v1/tasks", json={"title": "keep me"}).headers["location"]
    host = own_postgres.host
    own_postgres.stop(how)
    Path(host).mkdir(exist_ok=True)
    own_postgres.host = host
    os.chown(host, *(Path(own_postgres.data).stat().st_uid,) * 2)
    try:
        refused(client)
        eventually(lambda: up(client) == "0.0")
        refused(client)
        assert client.get("/health/ready").status_code == 200
        assert client.get("/health/live").status_code == 200
        assert up(client) == "0.0"
    finally:
        own_postgres.start()
    recovered(client, time.monotonic())
    assert client.get(acknowledged).json()["title"] == "keep me"


def test_a_database_that_hangs(client: httpx.Client, own_postgres: EmbeddedPostgres) -> None:
    """All its processes are stopped: connections stay open, and nothing answers."""
    postmaster = psutil.Process(own_postgres.pid)
    processes = [postmaster, *postmaster.children()]
    for process in processes:
        process.suspend()
    try:
        with ThreadPoolExecutor(8) as pool:
            caught = list(pool.map(lambda _: client.get("/v1/tasks"), range(8)))
        for response in caught:
            assert response.status_code == 503
            assert response.elapsed.total_seconds() < 4
        refused(client)
        assert client.get("/health/ready").status_code == 200
        assert up(client) == "0.0"
    finally:
        for process in processes:
            process.resume()
    recovered(client, time.monotonic())


def test_a_database_whose_connections_were_cut(client: httpx.Client, own_service: Service) -> None:
    """As a failover does it: the next requests may get a 503, and none another error."""
    with psycopg.connect(own_service.conninfo, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
    cut = time.monotonic()
    statuses = {client.get("/v1/tasks").status_code for _ in range(5)}
    assert statuses <= {200, 503}
    recovered(client, cut)


def test_a_busy_pool_is_overloaded_and_not_away(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    with Service(fresh_database(postgres), tmp_path / "log", {"DB_POOL_SIZE": "1"}) as service:
        headers = {"Authorization": f"Bearer {service.key}"}
        with (
            httpx.Client(base_url=service.url, headers=headers, timeout=60) as client,
            psycopg.connect(service.conninfo) as holder,
            ThreadPoolExecutor(4) as pool,
        ):
            path = client.post("/v1/tasks", json={"title": "x"}).headers["location"]
            holder.execute("select from tasks for update")
            others = [keys.create(service.settings, "another", ("write",), None) for _ in range(3)]
            callers = [{"Authorization": f"Bearer {key}"} for key in others]
            waiting = [pool.submit(client.patch, path, json={"title": "y"}, headers=caller) for caller in callers]
            for response in (future.result() for future in waiting):
                problem(response, 503, "overloaded")
                assert int(response.headers["retry-after"]) > 0
            holder.rollback()
            eventually(lambda: client.patch(path, json={"title": "y"}).status_code == 200)


def test_nobody_there_from_the_start(tmp_path: Path, own_postgres: EmbeddedPostgres) -> None:
    service = Service(fresh_database(own_postgres), tmp_path / "log")
    away = Settings(db_host=str(tmp_path), db_name=service.settings.db_name, db_user=NAME, db_sslmode="disable")
    service.settings = away
    service.start(wait=False)
    try:
        headers = {"Authorization": f"Bearer {service.key}"}
        with httpx.Client(base_url=service.url, headers=headers) as client:
            eventually(service.listens)
            refused(client)
            (tmp_path / ".s.PGSQL.5432").symlink_to(Path(own_postgres.host) / ".s.PGSQL.5432")
            recovered(client, time.monotonic())
            assert client.get("/health/ready").status_code == 200
    finally:
        service.stop(signal.SIGINT)

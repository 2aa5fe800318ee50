"""What clients see, and what is in the database, when something breaks under load."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGKILL, SIGQUIT, SIGTERM

import httpx
import psycopg
import pytest

from app.dev.postgres import EmbeddedPostgres
from tests.support.contract import Contract
from tests.support.load import Load
from tests.support.service import Service, fresh_database

pytestmark = pytest.mark.slow

AWAY = "/problems/database-unavailable"
BUSY = "/problems/overloaded"


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that a test may stop."""
    with EmbeddedPostgres(tmp_path / "postgres") as server:
        yield server


@pytest.fixture
def own(own_postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[Service]:
    """A service that a test may kill, with a small pool."""
    with Service(fresh_database(own_postgres), tmp_path / "log", {"DB_POOL_SIZE": "4"}) as running:
        yield running


def load_on(service: Service, clients: int = 8) -> Load:
    contract = Contract(httpx.get(f"{service.url}/openapi.json").json())
    return Load(service.key, lambda: service.url, contract, clients)


def check_nothing_lost(load: Load, service: Service) -> None:
    """Every acknowledged task is there; whatever failed can be sent again, and then all are there just once."""
    assert load.undocumented == []
    with psycopg.connect(service.conninfo, autocommit=True) as connection:
        there: dict[str, str] = dict(connection.execute("select title, id::text from tasks").fetchall())
        for outcome in load.created:
            assert there[outcome.key] == outcome.task_id
        with httpx.Client(headers={"Authorization": f"Bearer {service.key}"}) as client:
            again = [load.send(client, outcome.key) for outcome in load.failed]
        assert {outcome.status for outcome in again} <= {201}
        counts = connection.execute("select count(*), count(distinct title) from tasks").fetchone()
    assert counts == (len(load.outcomes), len(load.outcomes))


@pytest.mark.alone
def test_postgresql_stops_and_starts_again(own: Service, own_postgres: EmbeddedPostgres) -> None:
    with load_on(own) as load:
        load.wait_for_more()
        own_postgres.stop(SIGQUIT)
        stopped = time.monotonic()
        load.wait_for(lambda: sum(outcome.started > stopped for outcome in load.failed) > 100)
        own_postgres.start()
        started = time.monotonic()
        load.wait_for(lambda: any(outcome.started > started for outcome in load.created))
        load.wait_for_more()
    recovery = load.first_created_after(started) - started
    slowest = max(outcome.ended - outcome.started for outcome in load.failed)
    print(f"\n{load.told()}; slowest failure {slowest:.2f} s; recovered {recovery:.2f} s after the database")
    assert {(outcome.status, outcome.problem) for outcome in load.failed} <= {(503, AWAY), (503, BUSY)}
    assert all(int(outcome.retry_after) >= 1 for outcome in load.failed)
    assert any(stopped < outcome.started for outcome in load.failed)
    assert slowest < 2
    assert recovery < 5
    check_nothing_lost(load, own)


def test_the_service_is_killed(own: Service) -> None:
    with load_on(own) as load:
        load.wait_for_more()
        own.stop(SIGKILL)
        killed = time.monotonic()
        own.start()
        load.wait_for(lambda: any(outcome.started > killed for outcome in load.created))
        load.wait_for_more()
    print(f"\n{load.told()}; served again {load.first_created_after(killed) - killed:.2f} s after the kill")
    # The new process may be asked before it has reached the database; it is not ready then.
    assert {outcome.problem for outcome in load.failed if outcome.status is not None} <= {AWAY}
    assert None in {outcome.status for outcome in load.failed}
    check_nothing_lost(load, own)


def test_sigterm_fails_no_request(own: Service, tmp_path: Path) -> None:
    """Two processes behind a load balancer that asks for readiness; one after the other is told to end."""
    with Service(own.settings, tmp_path / "other", {"DB_POOL_SIZE": "4"}) as other:
        other.key = own.key
        ready = {own.url: True, other.url: True}
        ended = threading.Event()

        def ask() -> None:
            while not ended.wait(0.1):
                for url in ready:
                    try:
                        ready[url] = httpx.get(f"{url}/health/ready").status_code == 200
                    except httpx.TransportError:
                        ready[url] = False

        balancer = threading.Thread(target=ask)
        balancer.start()
        load = load_on(own)
        turns = iter(range(10**9))
        load.url = lambda: (up := [url for url, well in ready.items() if well])[next(turns) % len(up)]
        with load:
            for service in (own, other):
                load.wait_for_more()
                assert service.stop(SIGTERM) == 0
                service.start()
                load.wait_for(lambda service=service: ready[service.url])  # type: ignore[misc]
        ended.set()
        balancer.join()
        print(f"\n{load.told()}")
        assert load.failed == []
        check_nothing_lost(load, own)


@pytest.mark.alone
def test_all_connections_of_the_pool_are_busy(own: Service) -> None:
    with load_on(own, clients=32) as load, psycopg.connect(own.conninfo) as blocker:
        load.wait_for_more()
        blocker.execute("lock table tasks")
        while len(load.failed) < 2 * load.clients:
            asked = time.monotonic()
            assert httpx.get(f"{own.url}/health/live").status_code == 200
            assert time.monotonic() - asked < 1
            time.sleep(0.2)
        blocker.rollback()
        freed = time.monotonic()
        load.wait_for(lambda: any(outcome.started > freed for outcome in load.created))
        load.wait_for_more()
    recovery = load.first_created_after(freed) - freed
    slowest = max(outcome.ended - outcome.started for outcome in load.failed)
    print(f"\n{load.told()}; slowest failure {slowest:.2f} s; recovered {recovery:.2f} s after the lock")
    refused = {(outcome.status, outcome.problem) for outcome in load.failed}
    assert (503, BUSY) in refused
    assert refused <= {(503, BUSY), (429, "/problems/limit-reached")}  # all clients of the load have the same key
    assert all(int(outcome.retry_after) >= 1 for outcome in load.failed)
    assert slowest < 6  # one in line, and then what the database takes
    assert recovery < 2
    check_nothing_lost(load, own)


def head(service: Service, length: int) -> bytes:
    lines = [
        "POST /v1/tasks HTTP/1.1",
        "Host: test",
        f"Authorization: Bearer {service.key}",
        "Content-Type: application/json",
        f"Content-Length: {length}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def connected(service: Service) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), timeout=30)


@pytest.mark.alone
def test_slow_clients_hold_up_nobody_else(own: Service) -> None:
    """A hundred clients send a body byte by byte; each gets its answer in the end, and the others do not wait."""
    body = b'{"title":"slow"}'

    def dawdle(_: int) -> bytes:
        with connected(own) as client:
            client.sendall(head(own, len(body)))
            for byte in body:
                time.sleep(0.25)
                client.sendall(bytes([byte]))
            return client.recv(65536)

    with ThreadPoolExecutor(100) as pool, load_on(own) as load:
        answers = list(pool.map(dawdle, range(100)))
    slowest = max(outcome.ended - outcome.started for outcome in load.outcomes)
    print(f"\n{load.told()}; the slowest took {slowest:.2f} s beside 100 slow clients")
    assert all(answer.startswith(b"HTTP/1.1 201 ") for answer in answers)
    assert load.failed == []
    assert slowest < 2
    with psycopg.connect(own.conninfo, autocommit=True) as connection:
        assert connection.execute("delete from tasks where title = 'slow'").rowcount == 100
    check_nothing_lost(load, own)


def test_clients_hang_up(own: Service) -> None:
    """In the middle of a body: nothing is written. Before the answer: it is written or not, but the service goes on."""
    body = b'{"title":"gone"}'
    with load_on(own) as load:
        for number in range(200):
            with connected(own) as client:
                client.sendall(head(own, len(body)) + (body[:5] if number % 2 else body))
        load.wait_for_more()
    print(f"\n{load.told()}, while 200 clients hung up")
    assert load.failed == []
    with psycopg.connect(own.conninfo, autocommit=True) as connection:
        assert connection.execute("delete from tasks where title = 'gone'").rowcount <= 100
        idle = "select count(*) from pg_stat_activity where application_name = 'taskpulse' and xact_start is not null"
        load.wait_for(lambda: connection.execute(idle).fetchone() == (0,))
    check_nothing_lost(load, own)
    assert "Traceback" not in own.log.read_text()

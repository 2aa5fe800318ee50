"""GET /health/live and /health/ready, and what happens at SIGTERM."""

import contextlib
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from app.dev.postgres import EmbeddedPostgres
from app.http.server import DRAIN_S
from app.postgres import migrate
from app.postgres.migrate import migrations
from app.settings import Settings
from tests.support.contract import problem
from tests.support.service import Service, fresh_database, owner
from tests.support.waiting import eventually


@pytest.fixture
def own_service(postgres: EmbeddedPostgres, tmp_path: Path) -> Service:
    """A service that the test starts and stops itself."""
    return Service(fresh_database(postgres), tmp_path / "log")


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_it_works(anonymous: httpx.Client, path: str) -> None:
    response = anonymous.get(path)
    assert response.status_code == 200
    assert response.json() == {"status": "ok"}


def test_live_but_not_ready_until_the_schema_is_current(own_service: Service, postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(own_service.conninfo, autocommit=True) as connection:
        connection.execute("delete from schema_migrations where version = 1")
    own_service.start(wait=False)
    try:
        eventually(own_service.listens)
        with httpx.Client(base_url=own_service.url) as client:

            def not_ready() -> str:
                assert client.get("/health/live").status_code == 200
                return str(problem(client.get("/health/ready"), 503, "not-ready")["detail"])

            eventually(lambda: "pending" in not_ready())
            assert not_ready() == f"Migrations are pending: {migrations()[0].name}. Run taskpulse migrate."
            with psycopg.connect(own_service.conninfo, autocommit=True) as connection:
                connection.execute(
                    "insert into schema_migrations (version, name, sha256) values (1, '0001', '')",
                )
            assert client.get("/health/ready").status_code == 200
    finally:
        own_service.stop(signal.SIGINT)


def test_not_ready_while_the_database_was_never_reached(tmp_path: Path, own_service: Service) -> None:
    own_service.settings = Settings(db_host=str(tmp_path), db_sslmode="disable")
    own_service.start(wait=False)
    try:
        eventually(own_service.listens)
        with httpx.Client(base_url=own_service.url) as client:
            assert client.get("/health/live").status_code == 200
            response = client.get("/health/ready")
            assert problem(response, 503, "not-ready")["detail"] == "The database has not been reached yet."
    finally:
        own_service.stop(signal.SIGINT)


def test_a_newer_schema_is_as_good(own_service: Service) -> None:
    with psycopg.connect(own_service.conninfo, autocommit=True) as connection:
        connection.execute("insert into schema_migrations (version, name, sha256) values (9999, 'later', '')")
    assert migrate.migrate(owner(own_service.settings), lambda _: None) == []
    with own_service:
        assert httpx.get(f"{own_service.url}/health/ready").status_code == 200


@pytest.mark.alone
def test_sigterm_drains_first(own_service: Service) -> None:
    own_service.start()
    assert own_service.process is not None
    headers = {"Authorization": f"Bearer {own_service.key}"}
    with httpx.Client(base_url=own_service.url, headers=headers) as client:
        assert "connection" not in client.get("/v1/tasks").headers
        sent = time.monotonic()
        own_service.process.send_signal(signal.SIGTERM)
        while client.get("/health/ready").status_code == 200:
            assert time.monotonic() < sent + 1
        response = client.get("/health/ready")
        assert problem(response, 503, "not-ready")["detail"] == "The service is shutting down."
        assert response.headers["connection"] == "close"
        assert client.get("/health/live").status_code == 200
        response = client.get("/v1/tasks")
        assert response.status_code == 200
        assert response.headers["connection"] == "close"
    assert own_service.process.wait(60) == 0
    assert time.monotonic() - sent >= DRAIN_S


def test_sigterm_under_load_fails_no_request(own_service: Service) -> None:
    """Clients keep their connections until an answer says that it is the last, as a load balancer's do."""
    own_service.start()
    assert own_service.process is not None
    served, failed = [0] * 6, list[str]()

    def work(number: int) -> None:
        headers = {"Authorization": f"Bearer {own_service.key}"}
        with httpx.Client(base_url=own_service.url, headers=headers, timeout=20) as client:
            last = False
            while not last:
                try:
                    response = client.post("/v1/tasks", json={"title": str(number)})
                except httpx.TransportError as error:
                    failed.append(repr(error))
                    return
                if response.status_code != 201:
                    failed.append(response.text)
                served[number] += 1
                last = response.headers.get("connection") == "close"

    workers = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for worker in workers:
        worker.start()
    eventually(lambda: min(served) > 0)
    own_service.process.send_signal(signal.SIGTERM)
    for worker in workers:
        worker.join(60)
    assert own_service.process.wait(60) == 0
    assert failed == []
    with psycopg.connect(own_service.conninfo) as connection:
        assert connection.execute("select count(*) from tasks").fetchone() == (sum(served),)


@contextlib.contextmanager
def awaited_body(service: Service, path: str, body: bytes, *fields: str) -> Iterator[socket.socket]:
    """Send the head of a POST; when the context begins, the service waits for the body."""
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
        "Expect: 100-continue",
        f"Authorization: Bearer {service.key}",
        f"Content-Length: {len(body)}",
        *fields,
    )
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        assert connection.recv(65_536).startswith(b"HTTP/1.1 100 ")
        yield connection


def test_a_request_that_is_in_flight_when_the_port_closes_is_served(own_service: Service) -> None:
    own_service.start()
    assert own_service.process is not None
    body = b'{"title": "y"}'
    with awaited_body(own_service, "/v1/tasks", body) as connection:
        own_service.process.send_signal(signal.SIGTERM)
        eventually(lambda: not own_service.listens())
        connection.sendall(body)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 201 ")
    assert own_service.process.wait(60) == 0
    with psycopg.connect(own_service.conninfo) as database:
        assert database.execute("select title from tasks").fetchall() == [("y",)]


def test_a_claim_that_comes_while_the_service_drains_does_not_wait(own_service: Service) -> None:
    own_service.start()
    assert own_service.process is not None
    body = b'{"worker": "w", "ttl_s": 60}'
    with awaited_body(own_service, "/v1/tasks/claim", body, "Prefer: wait=30") as connection:
        own_service.process.send_signal(signal.SIGTERM)
        eventually(lambda: "draining" in own_service.log.read_text())
        connection.sendall(body)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 204 ")
    assert own_service.process.wait(60) == 0


@pytest.mark.alone
def test_a_second_sigterm_ends_at_once(own_service: Service) -> None:
    own_service.start()
    assert own_service.process is not None
    own_service.process.send_signal(signal.SIGTERM)
    eventually(lambda: "draining" in own_service.log.read_text())
    started = time.monotonic()
    assert own_service.stop() == 0
    assert time.monotonic() - started < DRAIN_S * 0.75

"""A dump is loaded into another server, by a database user who owns the tables and is no superuser."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from msgspec.structs import replace

from app.dev.postgres import NAME, SERVICE, EmbeddedPostgres, _binaries
from app.postgres import migrate
from app.settings import Settings
from tests.support.events import EventReader, sent_up_to
from tests.support.leases import claim, new_task
from tests.support.service import Service
from tests.support.waiting import eventually

PLAIN = "plain"
AHEAD = 1000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL of its own, with a database for the user who is no superuser."""
    with EmbeddedPostgres(tmp_path / "database", {"fsync": "off"}) as running:
        run(running, f"create role {PLAIN} login nosuperuser nocreatedb createrole")
        run(running, f"create database {PLAIN} owner {PLAIN}")
        yield running


def run(server: EmbeddedPostgres, statement: str) -> None:
    with psycopg.connect(host=server.host, dbname=NAME, user=NAME, autocommit=True) as connection:
        connection.execute(statement.encode())


def pass_over_the_loaded(service: Service) -> None:
    """Use the numbers up to those that the loaded rows have, while a transaction that is older stays open."""
    with (
        psycopg.connect(service.conninfo) as holding,
        psycopg.connect(service.conninfo, autocommit=True) as connection,
    ):
        holding.execute("select pg_current_xact_id()")
        for _ in range(2 * AHEAD):
            connection.execute("select pg_current_xact_id()")
        used_up = time.time()
        eventually(lambda: sent_up_to(service) > used_up)  # they do not wait for it


def tool(server: EmbeddedPostgres, name: str, *options: str) -> None:
    command = [str(_binaries() / name), "-h", server.host, "-U", PLAIN, "-d", PLAIN, *options]
    subprocess.run(command, check=True, timeout=60)


def titles(reader: EventReader) -> list[str]:
    return [got.data["title"] if got.event == "message" else got.data["reason"] for got in reader.blocks]


def test_a_dump_is_loaded_and_its_server_restarted(server: EmbeddedPostgres, tmp_path: Path) -> None:
    """The loaded rows have transactions that are still to come on this server: they are no events, and hide none."""
    settings = Settings(db_host=server.host, db_name=PLAIN, db_user=SERVICE, db_sslmode="disable")
    plain = replace(settings, db_user=PLAIN, db_service_user=SERVICE)
    migrate.migrate(plain, lambda _: None)
    with Service(settings, tmp_path / "log") as service:
        headers = {"Authorization": f"Bearer {service.key}"}
        with httpx.Client(base_url=service.url, headers=headers, timeout=20) as client:
            claim(client, new_task(client, title="dumped"))
            with EventReader(service.url, service.key, after="0") as reader:
                old = reader.wait_for(2)[1].id
        service.stop()
        with psycopg.connect(service.conninfo) as connection:  # as if it came from a server with more behind it
            connection.execute("update history set transaction = (transaction::text::bigint + %s)::text::xid8", [AHEAD])
        tool(server, "pg_dump", "-Fc", "-f", str(tmp_path / "dump"))
        run(server, f"drop database {PLAIN}")
        run(server, f"create database {PLAIN} owner {PLAIN}")
        tool(server, "pg_restore", "--no-owner", "--exit-on-error", str(tmp_path / "dump"))
        migrate.migrate(plain, lambda _: None)
        service.start()
        with httpx.Client(base_url=service.url, headers=headers, timeout=20) as client:
            with EventReader(service.url, service.key, after=old) as reader:
                assert reader.wait_for(1)[0].data == {"reason": "unknown"}
                new_task(client, title="new")
                seen = reader.wait_for(2)[1].id
            new_task(client, title="unseen")
            pass_over_the_loaded(service)
            with EventReader(service.url, service.key, after=old) as reader:
                reader.wait_for(1)
                assert titles(reader) == ["unknown"]
            with EventReader(service.url, service.key, after="0") as reader:
                reader.wait_for(2)
                assert titles(reader) == ["new", "unseen"]
            with EventReader(service.url, service.key) as other:
                assert other.last_id == reader.last_id
        service.stop()
        server.stop()
        server.start()
        restarted = Settings(db_host=server.host, db_name=PLAIN, db_user=SERVICE, db_sslmode="disable")
        with Service(restarted, tmp_path / "log2") as again:
            with EventReader(again.url, again.key, after=seen) as reader:
                reader.wait_for(1)
                assert titles(reader) == ["unseen"]
            epoch, transaction, sequence = seen.split("-")
            lost = f"{epoch}-{int(transaction) + 1000}-{sequence}"
            with EventReader(again.url, again.key, after=lost) as reader:
                reader.wait_for(1)
                assert titles(reader) == ["unknown"]

"""The database server is restarted, goes back to an earlier moment, or is another one."""

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from app.dev.postgres import EmbeddedPostgres
from tests.support.events import EventReader, order
from tests.support.leases import new_task
from tests.support.service import Service, fresh_database
from tests.support.waiting import eventually, wait_until_stuck


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL of its own."""
    with EmbeddedPostgres(tmp_path / "database", {"fsync": "off"}) as running:
        yield running


def created(client: httpx.Client, title: str) -> None:
    """Create a task as soon as the database is there again."""
    eventually(lambda: client.post("/v1/tasks", json={"title": title}).status_code == 201)


def titles(reader: EventReader) -> list[str]:
    return [got.data["title"] if got.event == "message" else got.data["reason"] for got in reader.blocks]


LONG_PAST = """
insert into history (task_id, version, action, after)
select gen_random_uuid(), 1, 'created', json_build_object('title', 'lost', 'description', repeat('x', 10000))
from generate_series(1, 2500)
"""


def restore(server: EmbeddedPostgres, copy: Path) -> None:
    """Put a copy of the data folder in the place of the original, as a disk's snapshot is in the cloud."""
    server.stop(signal.SIGQUIT)
    shutil.rmtree(server.data)
    subprocess.run(["cp", "-a", copy, server.data], check=True)
    (server.data / "postmaster.pid").unlink(missing_ok=True)
    server.start()


def test_a_reader_that_catches_up_while_the_database_is_restored_comes_back(
    server: EmbeddedPostgres, tmp_path: Path
) -> None:
    """It was amid a past that is gone, and must hear of it: the stream ends, and its last id gets a reset."""
    copy = tmp_path / "copy"
    with Service(fresh_database(server), tmp_path / "log") as service, socket.socket() as slow:
        headers = {"Authorization": f"Bearer {service.key}"}
        with httpx.Client(base_url=service.url, headers=headers, timeout=20) as client:
            server.stop(signal.SIGQUIT)
            subprocess.run(["cp", "-a", server.data, copy], check=True)
            server.start()
            with psycopg.connect(service.conninfo) as connection:
                connection.execute(LONG_PAST)
            created(client, "lost too")
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            slow.connect(("127.0.0.1", service.port))
            slow.settimeout(60)
            head = f"GET /v1/events?after=0 HTTP/1.1\r\nHost: x\r\nAuthorization: {headers['Authorization']}\r\n\r\n"
            slow.sendall(head.encode())
            got = b""
            while b"data: " not in got:
                got += slow.recv(2**16)
            wait_until_stuck(service, slow)  # it waits for room to send more, not for the database
            restore(server, copy)
            created(client, "new")
            with EventReader(service.url, service.key):  # the service has looked at what is there now
                while not got.endswith(b"\r\n0\r\n\r\n"):
                    got += slow.recv(2**20)
            assert 0 < got.count(b"data: ") < 2500
            assert b"event: reset" not in got
            last = got.rpartition(b"\nid: ")[2].partition(b"\n")[0].decode()
            with EventReader(service.url, service.key, after=last) as reader:
                assert reader.wait_for(1)[0].data == {"reason": "unknown"}


def copy_as_it_runs(server: EmbeddedPostgres, service: Service, copy: Path) -> None:
    """Copy the data folder of a server that has nothing to do, as a snapshot of its disk would."""
    with psycopg.connect(service.conninfo, autocommit=True) as connection:
        connection.execute("checkpoint")
    subprocess.run(["cp", "-a", server.data, copy], check=True)


def test_restart_and_restore(server: EmbeddedPostgres, tmp_path: Path) -> None:
    """A restart is nothing to readers; after a restore they hear what they lost, and get all that came instead."""
    copy = tmp_path / "copy"
    with Service(fresh_database(server), tmp_path / "log") as service:
        headers = {"Authorization": f"Bearer {service.key}"}
        with httpx.Client(base_url=service.url, headers=headers, timeout=20) as client:
            with EventReader(service.url, service.key) as live:
                new_task(client, title="early")
                early = live.wait_for(1)[0].id
                server.stop(signal.SIGQUIT)
                server.start()
                created(client, "kept")
                kept = live.wait_for(2)[1].id
                assert kept.split("-")[0] != early.split("-")[0]
                copy_as_it_runs(server, service, copy)
                created(client, "lost")
                lost = live.wait_for(3)[2].id

                restore(server, copy)
                created(client, "new")
                created(client, "next")
                live.wait_for(6)
                assert titles(live) == ["early", "kept", "lost", "unknown", "new", "next"]
            for after, expected in (
                (lost, ["unknown", "new", "next"]),
                (kept, ["new", "next"]),
                (early, ["kept", "new", "next"]),
            ):
                with EventReader(service.url, service.key, after=after) as reader:
                    reader.wait_for(len(expected))
                    assert titles(reader) == expected
                    if after == lost:
                        assert order(reader.blocks[0].id) == order(kept)

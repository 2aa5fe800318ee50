"""The database server is restarted, goes back to an earlier moment, or is another one."""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from app.embedded_postgres import EmbeddedPostgres
from tests.events import EventReader
from tests.leases import new_task
from tests.service import Service, fresh_database


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL of its own."""
    with EmbeddedPostgres(tmp_path / "database", {"fsync": "off"}) as running:
        yield running


def created(client: httpx.Client, title: str) -> None:
    """Create a task as soon as the database is there again."""
    deadline = time.monotonic() + 20
    while client.post("/v1/tasks", json={"title": title}).status_code != 201:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def titles(reader: EventReader) -> list[str]:
    return [got.data["title"] if got.event == "message" else got.data["reason"] for got in reader.blocks]


def wait_for_title(reader: EventReader, title: str) -> None:
    deadline = time.monotonic() + 10
    while title not in titles(reader):
        assert time.monotonic() < deadline, titles(reader)
        time.sleep(0.02)


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
            slow.settimeout(20)
            head = f"GET /v1/events?after=0 HTTP/1.1\r\nHost: x\r\nAuthorization: {headers['Authorization']}\r\n\r\n"
            slow.sendall(head.encode())
            got = b""
            while b"data: " not in got:
                got += slow.recv(2**16)
            time.sleep(1)  # it waits for room to send more, not for the database
            restore(server, copy)
            created(client, "new")
            deadline = time.monotonic() + 20
            with EventReader(service.url, service.key):  # the service has looked at what is there now
                while not got.endswith(b"\r\n0\r\n\r\n"):
                    assert time.monotonic() < deadline
                    got += slow.recv(2**20)
            assert 0 < got.count(b"data: ") < 2500
            assert b"event: reset" not in got
            last = got.rpartition(b"\nid: ")[2].partition(b"\n")[0].decode()
            with EventReader(service.url, service.key, after=last) as reader:
                assert reader.wait_for(1)[0].data == {"reason": "unknown"}


def test_restart_and_restore(server: EmbeddedPostgres, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    with Service(fresh_database(server), tmp_path / "log") as service:
        headers = {"Authorization": f"Bearer {service.key}"}
        with httpx.Client(base_url=service.url, headers=headers, timeout=20) as client:
            with EventReader(service.url, service.key) as live:
                new_task(client, title="kept")
                early = live.wait_for(1)[0].id
                server.stop(signal.SIGQUIT)
                subprocess.run(["cp", "-a", server.data, copy], check=True)
                server.start()
                created(client, "lost")
                late = live.wait_for(2, 20)[1].id
                assert late.split("-")[0] != early.split("-")[0]
                assert titles(live) == ["kept", "lost"]

                restore(server, copy)
                created(client, "new")
                live.wait_for(3, 20)
                created(client, "next")
                wait_for_title(live, "next")
                assert titles(live)[:3] == ["kept", "lost", "unknown"]
                assert titles(live)[3:] in (["next"], ["new", "next"])  # the rest was there to be read at the reset
            with EventReader(service.url, service.key, after=late) as reader:
                assert reader.wait_for(1)[0].data == {"reason": "unknown"}
            with EventReader(service.url, service.key, after=early) as reader:
                reader.wait_for(2)
                assert titles(reader) == ["new", "next"]

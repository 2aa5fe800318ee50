"""Pages and exports of large tasks: they end earlier than `limit`, miss nothing, and need little memory."""

import contextlib
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from app.dev.postgres import EmbeddedPostgres
from app.tasks.query import FEW, PAGE_BYTES
from tests.support.service import Service, fresh_database

LARGE = (
    "insert into tasks (title, description, payload, labels)"
    " select 'large ' || g, repeat('d', 10000), json_build_object('a', repeat('x', 16000)), array['large']::label[]"
    " from generate_series(1, %s) g returning id"
)
NUMBER = 70
LIMIT_MIB = 160


@pytest.fixture
def ids(client: httpx.Client, database: psycopg.Connection) -> list[str]:
    """The ids of seventy tasks of 26 KB, oldest first."""
    return [str(task_id) for (task_id,) in database.execute(LARGE, (NUMBER,)).fetchall()]


def walk(client: httpx.Client, path: str) -> Iterator[list[Any]]:
    """Yield the items of each page."""
    cursor = ""
    while True:
        response = client.get(f"{path}&cursor={cursor}" if cursor else path)
        response.raise_for_status()
        assert len(response.content) < PAGE_BYTES + 1000
        page = response.json()
        yield page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            assert "link" not in response.headers
            return
        assert f"cursor={cursor}" in response.headers["link"]


@pytest.mark.parametrize("limit", [200, FEW - 1, NUMBER, NUMBER - 1, 9, 1])
@pytest.mark.parametrize("filters", ["", "&label=large"])
def test_pages_end_early_and_miss_nothing(client: httpx.Client, ids: list[str], limit: int, filters: str) -> None:
    pages = list(walk(client, f"/v1/tasks?sort=created_at&limit={limit}{filters}"))
    assert [task["id"] for page in pages for task in page] == sorted(ids)
    assert all(pages)
    assert len(pages) >= NUMBER * 26_000 // PAGE_BYTES


def test_small_tasks_fill_their_pages(client: httpx.Client) -> None:
    client.post("/v1/tasks/batch", json={"tasks": [{"title": "x"}] * 250}).raise_for_status()
    assert [len(page) for page in walk(client, "/v1/tasks?limit=200")] == [200, 50]


def test_an_export_has_all(client: httpx.Client, ids: list[str]) -> None:
    text = client.get("/v1/tasks?sort=created_at", headers={"Accept": "application/x-ndjson"}).text
    assert [json.loads(line)["id"] for line in text.splitlines()] == sorted(ids)


def test_an_export_that_the_database_ends_is_broken_off_with_one_line_in_the_log(
    client: httpx.Client, service: Service, database: psycopg.Connection
) -> None:
    database.execute(LARGE, (1000,))
    mark = service.log.stat().st_size
    with client.stream("GET", "/v1/tasks", headers={"Accept": "application/x-ndjson"}) as response:
        lines = response.iter_lines()
        next(lines)
        with psycopg.connect(service.conninfo) as holder:
            holder.execute("lock table tasks in access exclusive mode")
            with pytest.raises(httpx.TransportError):
                list(lines)
            holder.rollback()
    told = service.log.read_bytes()[mark:].decode()
    assert told.count("an export ended early") == 1
    assert "Traceback" not in told


@pytest.mark.parametrize("limit", [200, 50, 3])
def test_a_long_history_misses_nothing(client: httpx.Client, limit: int) -> None:
    task = client.post("/v1/tasks", json={"title": "x"}).json()["id"]
    for number in range(30):
        client.patch(f"/v1/tasks/{task}", json={"description": f"{number}" * 5000}).raise_for_status()
    pages = list(walk(client, f"/v1/tasks/{task}/history?limit={limit}"))
    assert [change["version"] for page in pages for change in page] == list(range(1, 32))
    assert len(pages) > 1


@contextlib.contextmanager
def never_read(service: Service, path: str, accept: str, number: int) -> Iterator[list[socket.socket]]:
    """Send requests over connections that nobody reads."""
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.key}\r\nAccept: {accept}\r\n\r\n"
    with contextlib.ExitStack() as sockets:
        opened = []
        for _ in range(number):
            connected = sockets.enter_context(socket.socket())
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connected.connect(("127.0.0.1", service.port))
            connected.sendall(head.encode())
            opened.append(connected)
        yield opened


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "accept", "number"),
    [
        ("/v1/tasks?limit=200", "application/json", 40),
        ("/v1/tasks", "application/x-ndjson", 12),
        ("/v1/tasks", "application/x-ndjson", 40),
    ],
)
def test_answers_that_nobody_reads_need_little_memory(
    postgres: EmbeddedPostgres, tmp_path: Path, path: str, accept: str, number: int
) -> None:
    with Service(fresh_database(postgres), tmp_path / "log") as service:
        with psycopg.connect(service.conninfo, autocommit=True) as connection:
            connection.execute(LARGE, (400,))
        with never_read(service, path, accept, number) as sockets:
            for each in sockets:
                assert re.match(rb"HTTP/1.1 (200|429) ", each.recv(16))
            held = service.metric("taskpulse_bound_in_use", bound="answer_bytes") or 0
        print(f"\n{number} of {path}: {service.peak_mib():.0f} MiB at the most, {held / 2**20:.0f} MiB of answers held")
        assert service.peak_mib() < LIMIT_MIB

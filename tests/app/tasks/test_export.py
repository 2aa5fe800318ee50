"""GET /v1/tasks as NDJSON."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from app.dev.postgres import EmbeddedPostgres
from tests.support.raw import connected
from tests.support.service import Service
from tests.support.waiting import eventually, logged_statements, wait_until_stuck

NDJSON = {"Accept": "application/x-ndjson"}
MANY = 20_000
PAGE = "string_agg("
"""What only a statement that reads a page of tasks has."""


def resident_mib(service: Service) -> float:
    assert service.process is not None
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


@pytest.fixture
def many(client: httpx.Client, database: psycopg.Connection) -> httpx.Client:
    """A client of a service with 20,000 tasks: 85 MB, more than any buffer on the way holds."""
    database.execute(
        "insert into tasks (title, created_at, payload)"
        " select 'Task ' || n, now() - n * interval '1 second', json_build_object('text', repeat('x', 4000))"
        " from generate_series(1, %s) n",
        (MANY,),
    )
    return client


def test_it_works(client: httpx.Client) -> None:
    client.post("/v1/tasks/batch", json={"tasks": [{"title": f"Line\n{n}"} for n in range(450)]}).raise_for_status()
    client.post("/v1/tasks", json={"title": "Done", "status": "done"})
    response = client.get("/v1/tasks?status=open&sort=created_at", headers=NDJSON)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("application/x-ndjson")
    tasks = [json.loads(line) for line in response.text.splitlines()]
    assert [task["title"] for task in tasks] == [f"Line\n{n}" for n in range(450)]
    assert tasks[0] == client.get(f"/v1/tasks/{tasks[0]['id']}").json()


def test_nothing_found_is_an_empty_answer(client: httpx.Client) -> None:
    response = client.get("/v1/tasks", headers=NDJSON)
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize("parameter", ["limit=10", "cursor=x", "count=true"])
def test_what_belongs_to_pages_is_refused(client: httpx.Client, parameter: str) -> None:
    refused = client.get(f"/v1/tasks?{parameter}", headers=NDJSON)
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["pointer"] == parameter.partition("=")[0]


def test_json_is_preferred_where_both_are_welcome(client: httpx.Client) -> None:
    for accept in ("*/*", "application/x-ndjson;q=0.5, application/json", "application/*"):
        assert client.get("/v1/tasks", headers={"Accept": accept}).headers["content-type"] == "application/json"


def test_ndjson_comes_where_json_is_ruled_out(client: httpx.Client) -> None:
    response = client.get("/v1/tasks", headers={"Accept": "application/json;q=0, */*"})
    assert response.headers["content-type"].startswith("application/x-ndjson")


def test_caches_are_told_that_the_form_depends_on_accept(client: httpx.Client) -> None:
    """RFC 9110, section 12.5.5."""
    for accept in ("application/json", "application/x-ndjson"):
        assert client.get("/v1/tasks", headers={"Accept": accept}).headers.get("vary") == "Accept"


def test_head_reads_no_more_than_a_page(
    client: httpx.Client, postgres: EmbeddedPostgres, database: psycopg.Connection
) -> None:
    client.post("/v1/tasks/batch", json={"tasks": [{"title": "x"}] * 1000}).raise_for_status()
    with logged_statements(postgres, database) as asked:
        response = client.head("/v1/tasks", headers=NDJSON)
        pages = asked(PAGE)
        client.get("/v1/tasks", headers=NDJSON).raise_for_status()
        assert (pages, asked(PAGE) > 2) == (1, True)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("application/x-ndjson")


def lines(response: httpx.Response) -> Iterator[str]:
    """Yield the lines of an answer as slowly as the caller takes them."""
    rest = ""
    for chunk in response.iter_text(65536):
        *whole, rest = (rest + chunk).split("\n")
        yield from whole


BUSY = """
select count(*) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and (state <> 'idle' or xact_start is not null)
"""


def test_a_slow_reader_costs_neither_memory_nor_a_connection(
    many: httpx.Client, service: Service, database: psycopg.Connection
) -> None:
    many.get("/v1/tasks?limit=200")
    before = resident_mib(service)
    highest = before
    with many.stream("GET", "/v1/tasks", headers=NDJSON) as response:
        reader = lines(response)
        seen = {json.loads(next(reader))["id"]}
        wait_until_stuck(service, response.extensions["network_stream"].get_extra_info("socket"))
        eventually(lambda: database.execute(BUSY).fetchone() == (0,))  # the service's own work takes moments only
        for number, line in enumerate(reader):
            seen.add(json.loads(line)["id"])
            if number % 1000 == 0:
                highest = max(highest, resident_mib(service))
    assert len(seen) == MANY
    print(f"\n{before:.0f} MiB resident before, {highest:.0f} MiB at the most")
    assert highest < before + 24


def test_an_error_midway_breaks_the_answer_off(many: httpx.Client, database: psycopg.Connection) -> None:
    """A client of HTTP/1.1 sees that the last chunk is missing."""
    with many.stream("GET", "/v1/tasks", headers=NDJSON) as response:
        assert response.status_code == 200
        reader = lines(response)
        next(reader)
        database.execute("alter table tasks rename to elsewhere")
        try:
            with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
                list(reader)
        finally:
            database.execute("alter table elsewhere rename to tasks")


def test_when_the_client_hangs_up_the_export_ends(
    many: httpx.Client, service: Service, postgres: EmbeddedPostgres, database: psycopg.Connection
) -> None:
    """Long before the last of its hundred pages."""
    mark = service.log.stat().st_size
    with logged_statements(postgres, database) as asked:
        with many.stream("GET", "/v1/tasks", headers={**NDJSON, "X-Request-ID": "hung-up"}) as response:
            next(lines(response))
        eventually(lambda: '"hung-up"' in service.log.read_bytes()[mark:].decode())
        assert asked(PAGE) < 50
    assert "Traceback" not in service.log.read_bytes()[mark:].decode()


def test_an_export_with_a_request_behind_it_ends_too(
    many: httpx.Client, service: Service, postgres: EmbeddedPostgres, database: psycopg.Connection
) -> None:
    """What is known of the client's end must reach the request that runs, not only the last one that arrived."""
    mark = service.log.stat().st_size
    export = f"GET /v1/tasks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.key}\r\nX-Request-ID: behind\r\n"
    accept = "Accept: application/x-ndjson\r\n\r\n"
    with logged_statements(postgres, database) as asked:
        with connected(service) as connection:
            connection.sendall((export + accept).encode() + b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(1000)
        eventually(lambda: '"behind"' in service.log.read_bytes()[mark:].decode())
        assert asked(PAGE) < 50
    assert "Traceback" not in service.log.read_bytes()[mark:].decode()

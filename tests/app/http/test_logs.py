"""The log, request ids and traces."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from app.dev.postgres import EmbeddedPostgres
from tests.support.contract import problem
from tests.support.service import Service, fresh_database


def lines(service: Service) -> list[dict[str, Any]]:
    """Return every line of the log; each must be a JSON object."""
    return [json.loads(line) for line in service.log.read_text().split("\n") if line]  # not at U+0085 and the like


def line_of(service: Service, request_id: str) -> dict[str, Any]:
    """Return the line of a request; it is written just after the answer was sent."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = [line for line in lines(service) if line.get("request_id") == request_id]
        if found:
            (line,) = found
            return line
        time.sleep(0.01)
    raise AssertionError("the request was not logged")


def test_it_works(client: httpx.Client, service: Service) -> None:
    task = client.post("/v1/tasks", json={"title": "x"}).json()["id"]
    response = client.get(f"/v1/tasks/{task}")
    line = line_of(service, response.headers["x-request-id"])
    assert line["level"] == "INFO"
    assert line["time"][-1] == "Z" or line["time"].endswith("+00:00")
    assert line["method"] == "GET"
    assert line["route"].startswith("/v1/tasks/{")
    assert line["status"] == 200
    assert 0 < line["duration_ms"] < 10_000
    assert line["key_id"] == service.key.split("_")[1]


def test_a_request_without_a_route_or_a_key(anonymous: httpx.Client, service: Service) -> None:
    for path, status in (("/nope", 404), ("/v1/tasks", 401)):
        response = anonymous.get(path)
        line = line_of(service, response.headers["x-request-id"])
        assert (line["status"], line["key_id"]) == (status, None)


@pytest.mark.parametrize("request_id", ["a", "7b5ed3bf-6bde:3ead/x+y=z~.", "x" * 128])
def test_a_request_id_is_passed_through(anonymous: httpx.Client, request_id: str) -> None:
    assert anonymous.get("/", headers={"X-Request-ID": request_id}).headers["x-request-id"] == request_id
    body = problem(anonymous.get("/nope", headers={"X-Request-ID": request_id}), 404, "not-found")
    assert body["request_id"] == request_id


@pytest.mark.parametrize("request_id", ["", "x" * 129, "a b", '"', "é", "<script>"])
def test_a_harmful_request_id_is_replaced(anonymous: httpx.Client, request_id: str) -> None:
    given = anonymous.get("/", headers={b"X-Request-ID": request_id.encode()}).headers["x-request-id"]
    assert given != request_id
    assert len(given) == 16


def test_a_trace_is_passed_through(anonymous: httpx.Client) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert anonymous.get("/", headers={"traceparent": trace}).headers["traceparent"] == trace
    assert "traceparent" not in anonymous.get("/", headers={"traceparent": "nonsense"}).headers


def test_a_500_reveals_nothing_and_is_logged_with_its_traceback(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    service = Service(fresh_database(postgres), tmp_path / "log")
    service.start()
    try:
        headers = {"Authorization": f"Bearer {service.key}"}
        with httpx.Client(base_url=service.url, headers=headers) as client:
            with psycopg.connect(service.conninfo, autocommit=True) as connection:
                # nothing but this request reads it; what looks at tasks in the background would log errors of its own
                connection.execute("alter table idempotency_keys rename column fingerprint to renamed")
            response = client.post("/v1/tasks", json={"title": "x"}, headers={"Idempotency-Key": "k"})
            body = problem(response, 500, "internal-error")
            assert "column" not in response.text
            assert client.get("/health/live").status_code == 200
    finally:
        service.stop(signal.SIGINT)
    (line,) = [line for line in lines(service) if line["level"] == "ERROR"]
    assert line["request_id"] == body["request_id"]
    assert "Traceback (most recent call last)" in line["exception"]
    assert "UndefinedColumn" in line["exception"]


def test_a_trace_id_is_logged(anonymous: httpx.Client, service: Service) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    response = anonymous.get("/", headers={"traceparent": trace})
    line = line_of(service, response.headers["x-request-id"])
    assert line["trace_id"] == "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    "framing",
    [b"Content-Length: 13\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"],
    ids=["length", "chunked"],
)
def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_error(service: Service, framing: bytes) -> None:
    request_id = f"left-{len(framing)}"
    head = (
        f"POST /v1/tasks HTTP/1.1\r\nHost: x\r\nX-Request-ID: {request_id}\r\nAuthorization: Bearer {service.key}\r\n"
    )
    with socket.create_connection(("127.0.0.1", service.port), 5) as connection:
        connection.sendall(head.encode() + b"Content-Type: application/json\r\n" + framing)
    line = line_of(service, request_id)
    assert (line["level"], line["status"]) == ("INFO", 499)


def test_what_a_client_writes_cannot_begin_a_line_of_text() -> None:
    """`taskpulse dev` logs text: a line feed in a path would forge a line, and an escape sequence steer a terminal."""
    program = """
import logging
from app import logs

logs.configure("INFO", json=False)
logging.getLogger("access").info("GET %s 404", "/a\\nERROR forged: \\x1b[2Jb\\u202ec\\x85d")
try:
    raise ValueError
except ValueError:
    logging.getLogger("access").exception("failed")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    first, *rest = done.stderr.splitlines()
    assert first == r"INFO access: GET /a\nERROR forged: \x1b[2Jb\u202ec\x85d 404"
    assert rest[:2] == ["ERROR access: failed", "Traceback (most recent call last):"]


def test_a_broken_standard_error_ends_nothing_that_logs() -> None:
    program = """
import asyncio, logging
from app import logs

async def main():
    logs.configure("INFO")
    logs.write_line(logs.Line(logger="many", message="first"))
    logging.getLogger("one").warning("second")
    print("it goes on")

asyncio.run(main())
"""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=writer, text=True, check=False)
    finally:
        os.close(writer)
    assert done.stdout == "it goes on\n"

"""`taskpulse tasks export`."""

import json
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx
import pytest

from monitoring.local.receivers import Listener
from tests.support.command import on_a_terminal, run
from tests.support.leases import new_task
from tests.support.service import TASKPULSE, Service, free_port


def test_it_works(client: httpx.Client, service: Service) -> None:
    new_task(client, title="Größe\u009b", payload={"n": 1})
    new_task(client, title="Other", labels=["a"])
    exported = run(service, "tasks", "export", "--sort", "created_at")
    assert (exported.status, exported.errors) == (0, "")
    expected = client.get("/v1/tasks", params={"sort": "created_at"}).json()["items"]
    assert [json.loads(line) for line in exported.output.split("\n")[:-1]] == expected
    headers = {"Accept": "application/x-ndjson"}
    assert exported.output == client.get("/v1/tasks", params={"sort": "created_at"}, headers=headers).text
    assert json.loads(run(service, "tasks", "export", "--label", "a").output)["title"] == "Other"
    assert run(service, "tasks", "export", "--label", "b") == (0, "", "")


def test_a_terminal_shows_how_far_it_is(client: httpx.Client, service: Service) -> None:
    client.post("/v1/tasks/batch", json={"tasks": [{"title": "Many"}] * 1000}).raise_for_status()
    ended = on_a_terminal(service, "tasks", "export", piped=True)
    assert ended.status == 0
    assert len(ended.output.splitlines()) == 1000
    assert ended.errors.endswith("taskpulse: 1,000 of 1,000 tasks exported\n")
    assert "Many" not in ended.errors


class HalfAnExport(BaseHTTPRequestHandler):
    """Sends the first of two chunks and goes away."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b'b\r\n{"a":1}\n{"a\r\n')
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def half() -> Iterator[str]:
    """The address of a server that breaks off."""
    port = free_port()
    with Listener(port, HalfAnExport):
        yield f"http://127.0.0.1:{port}"


def test_an_export_that_breaks_off_is_told(service: Service, half: str) -> None:
    ended = run(service, "tasks", "export", "--url", half)
    assert ended.status == 1
    assert ended.output == '{"a":1}\n'
    assert f"Error: {half} broke off after 1 tasks" in ended.errors
    assert "Run the export again" in ended.errors


def test_nobody_reads(client: httpx.Client, service: Service) -> None:
    client.post("/v1/tasks/batch", json={"tasks": [{"title": "x" * 200}] * 1000}).raise_for_status()
    command = f"{TASKPULSE} tasks export --url {service.url} | head -1"
    variables = {"TASKPULSE_KEY": service.key}
    ended = subprocess.run(
        ["sh", "-c", command], env=variables, capture_output=True, text=True, check=False, timeout=60
    )
    assert len(ended.stdout.splitlines()) == 1
    assert ended.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("command", ["export", "list"])
@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
def test_output_that_cannot_be_written(client: httpx.Client, service: Service, command: str, redirection: str) -> None:
    new_task(client)
    words = f"{TASKPULSE} tasks {command} --url {service.url} {redirection}"
    variables = {"TASKPULSE_KEY": service.key}
    ended = subprocess.run(["sh", "-c", words], env=variables, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: Standard output ")
    assert len(ended.stderr.splitlines()) == 1

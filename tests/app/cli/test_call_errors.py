"""What `tasks` and `queues` say when no call succeeds: which address, what is wrong, and what to do."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx
import pytest

from app.keys import admin as keys
from monitoring.local.receivers import Listener
from tests.support.command import run
from tests.support.leases import new_task, read
from tests.support.service import Service, free_port

ID = "01981b1e-4d1c-7bd3-a0a5-6a1d9f4c2b10"
CALLS = [
    *(["tasks", "list"], ["tasks", "show", ID], ["tasks", "create", "--title", "x"], ["tasks", "export"]),
    *(["tasks", "edit", ID, "--title", "x"], ["tasks", "cancel", ID], ["tasks", "requeue", ID]),
    *(["tasks", "delete", ID], ["tasks", "delete", "--label", "x", "--yes"]),
    *(["queues", "list"], ["queues", "show", "x"], ["queues", "pause", "x"], ["queues", "resume", "x"]),
    *(["queues", "limit", "x", "5"], ["queues", "alert", "x", "5m"], ["queues", "delete", "x"]),
]
every_call = pytest.mark.parametrize("call", CALLS, ids=" ".join)


@every_call
def test_an_unreachable_service(service: Service, call: list[str]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    ended = run(service, *call, "--url", url)
    assert (ended.status, ended.output) == (1, "")
    assert ended.errors == (
        f"Error: {url} cannot be reached: Connection refused. Is the service running there? `make run` starts one here;"
        " --url or TASKPULSE_URL names another.\n"
    )


@every_call
def test_a_bad_key(service: Service, call: list[str]) -> None:
    ended = run(service, *call, TASKPULSE_KEY="tp_wrong")
    assert (ended.status, ended.output) == (1, "")
    assert ended.errors.startswith(f"Error: {service.url}/v1/{call[0]}")
    assert " answers 401: " in ended.errors
    assert "Put a valid key into TASKPULSE_KEY or the file of --key-file." in ended.errors
    assert len(ended.errors.splitlines()) == 1


@every_call
def test_no_key(service: Service, call: list[str]) -> None:
    ended = run(service, *call, TASKPULSE_KEY=None)
    assert (ended.status, ended.output) == (2, "")
    assert "There is no key: set TASKPULSE_KEY, or name a file by --key-file." in ended.errors


@every_call
def test_no_address(service: Service, call: list[str]) -> None:
    ended = run(service, *call, TASKPULSE_URL=None)
    assert (ended.status, ended.output) == (2, "")
    assert "Missing option '--url' (env var: 'TASKPULSE_URL')." in ended.errors


def test_a_key_without_the_scope(client: httpx.Client, service: Service, tmp_path: Path) -> None:
    task = new_task(client)
    file = tmp_path / "key"
    file.write_text(keys.create(service.settings, "reader", ("read",), None))
    assert run(service, "tasks", "show", task, "--key-file", str(file), TASKPULSE_KEY=None).status == 0
    refused = run(service, "tasks", "edit", task, "--title", "x", "--key-file", str(file), TASKPULSE_KEY=None)
    assert refused.status == 1
    assert f"{service.url}/v1/tasks/{task} answers 403: " in refused.errors
    assert "`taskpulse keys create --name NAME --scope SCOPE` makes one." in refused.errors
    assert read(client, task)["version"] == 1


class Answers(BaseHTTPRequestHandler):
    """Answers with what its path says: a status, and seconds to wait."""

    calls = 0

    def do_GET(self) -> None:
        type(self).calls += 1
        _, status, retry_after, *_ = self.path.split("/")
        body = b'{"type": "/problems/limit-reached", "status": %s, "detail": "Too much at once."}' % status.encode()
        if status == "200":
            body = b"<p>Hello</p>"
        self.send_response(int(status))
        self.send_header("Content-Type", "text/html" if status == "200" else "application/problem+json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Retry-After", retry_after)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def stranger() -> Iterator[str]:
    """The address of a server that is not the service."""
    Answers.calls = 0
    port = free_port()
    with Listener(port, Answers):
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("command", ["list", "export"])
def test_too_much_at_once(service: Service, stranger: str, command: str) -> None:
    """One that asks to come back in a minute is not waited for."""
    url = f"{stranger}/429/60"
    ended = run(service, "tasks", command, "--url", url)
    assert (ended.status, ended.output) == (1, "")
    assert ended.errors == (f"Error: {url} gives no answer to this call: 429: Too much at once. Try again in 60 s.\n")


def test_what_comes_back_soon_is_waited_for(service: Service, stranger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.client.ask.PATIENCE_S", 1.5)
    ended = run(service, "tasks", "list", "--url", f"{stranger}/503/1")
    assert ended.status == 1
    assert Answers.calls == 2


def test_another_server(service: Service, stranger: str) -> None:
    url = f"{stranger}/200/0"
    for command in ("list", "export"):
        ended = run(service, "tasks", command, "--url", url)
        assert (ended.status, ended.output) == (1, "")
        assert f"Error: {url} gives no answer to this call: 200 (text/html) is no answer of this API" in ended.errors
        assert "is --url right?\n" in ended.errors


def test_a_wrong_setting_of_the_environment(service: Service) -> None:
    ended = run(service, "tasks", "list", SSL_CERT_FILE="/nowhere")
    assert ended.status == 1
    assert ended.errors.startswith(f"Error: {service.url}: no connection can be made")

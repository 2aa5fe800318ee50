"""`taskpulse watch`."""

import json
import os
import signal
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import psycopg
import pytest

from app.dev.postgres import EmbeddedPostgres
from app.keys import admin as keys
from tests.support.leases import claim, new_task
from tests.support.service import TASKPULSE, Service, free_port, fresh_database
from tests.support.waiting import eventually


def command(service: Service, *options: str) -> list[str]:
    return [TASKPULSE, "watch", "--url", service.url, *options]


def start(service: Service, log: Path, *options: str, **variables: str) -> subprocess.Popen[bytes]:
    with log.open("wb") as out, errors(log).open("wb") as said:
        environment = {**os.environ, "TASKPULSE_KEY": service.key, **variables}
        return subprocess.Popen(command(service, *options), env=environment, stdout=out, stderr=said)


def errors(log: Path) -> Path:
    """Return where the messages go of what writes to `log`."""
    return log.with_suffix(".errors")


def wait_for(log: Path, lines: int) -> list[str]:
    eventually(lambda: log.read_text().count("\n") >= lines)
    return log.read_text().split("\n")[:-1]


def test_it_works(client: httpx.Client, service: Service, tmp_path: Path) -> None:
    task = new_task(client, title="Print\x1b[2J")
    claim(client, task)
    watching = start(service, tmp_path / "out", "--after", "0")
    created, claimed = wait_for(tmp_path / "out", 2)
    assert created[20:] == f"  created    {task}  Print?[2J  by tests"
    assert claimed.endswith('(status: "open" -> "in_progress", fence: 0 -> 1, worker: - -> "w1", attempt: - -> 1)')
    watching.send_signal(signal.SIGINT)
    assert watching.wait(60) == 0
    assert len(wait_for(tmp_path / "out", 2)) == 2


def test_json_and_filters(client: httpx.Client, service: Service, tmp_path: Path) -> None:
    new_task(client)
    task = new_task(client, labels=["print"])
    watching = start(service, tmp_path / "out", "--after", "0", "--label", "print", "--output", "json")
    (line,) = wait_for(tmp_path / "out", 1)
    assert json.loads(line)["task_id"] == task
    watching.terminate()
    assert watching.wait(60) == 0


def test_numbers_stay_as_they_were_sent(client: httpx.Client, service: Service, tmp_path: Path) -> None:
    body = '{"title": "Größe", "payload": {"n": [1.50, 1e2, 0.12345678901234567890, 12345678901234567890]}}'
    client.post("/v1/tasks", content=body, headers={"Content-Type": "application/json"}).raise_for_status()
    watching = start(service, tmp_path / "out", "--after", "0", "--output", "json")
    (line,) = wait_for(tmp_path / "out", 1)
    watching.kill()
    watching.wait()
    assert json.loads(line)["title"] == "Größe"
    assert line.isascii()
    assert "[1.50,1e2,0.12345678901234567890,12345678901234567890]" in line.replace(" ", "")


def test_a_reader_that_restarts_continues_after_the_last_id(
    client: httpx.Client, service: Service, tmp_path: Path
) -> None:
    tasks = [new_task(client) for _ in range(4)]
    found, last = list[str](), "0"
    for number in range(2):
        log = tmp_path / str(number)
        watching = start(service, log, "--after", last, "--output", "json")
        events = [json.loads(line) for line in wait_for(log, 2)]
        watching.kill()
        watching.wait()
        last = events[1]["id"]
        found += [event["task_id"] for event in events[:2]]
    assert found == tasks


def test_json_holds_what_was_sent(client: httpx.Client, service: Service, tmp_path: Path) -> None:
    """A number goes through no floating point, and a line is ASCII."""
    result = '{"a":[1e308,-0,1E5,1.10,123456789012345678901234567890,0.1234567890123456789],"ü":"\\u00fc\\n😀"}'
    task = new_task(client)
    token = claim(client, task)["lease"]["token"]
    body = f'{{"token":"{token}","result":{result}}}'.encode()
    headers = {"Content-Type": "application/json"}
    client.post(f"/v1/tasks/{task}/complete", content=body, headers=headers).raise_for_status()
    watching = start(service, tmp_path / "out", "--after", "0", "--output", "json")
    line = wait_for(tmp_path / "out", 3)[2]
    watching.terminate()
    assert watching.wait(60) == 0
    assert line.isascii()
    found = json.loads(line, parse_int=str, parse_float=str)["after"]["result"]
    assert found == json.loads(result, parse_int=str, parse_float=str)


@pytest.mark.parametrize("output", ["text", "json"])
def test_no_text_commands_the_terminal_or_breaks_the_stream(
    client: httpx.Client, service: Service, database: psycopg.Connection, tmp_path: Path, output: str
) -> None:
    """Escape sequences, C1 controls (U+009B begins one by itself), bidi overrides, what Unicode calls a line end."""
    titles = [f"a{letter}b" for letter in "\x1b\x0b\x0c\x1c\x7f\u0085\u009b\u2028\u2029\u202e"]
    hostile = keys.create(service.settings, "hostile", ("write",), None)
    # as a key may be named that was made before names had to be printable
    database.execute("update api_keys set name = %s where name = 'hostile'", ["evil\x1b[2J\u009bname"])
    for title in titles:
        task = {"title": title, "payload": {title: title}}
        headers = {"Authorization": f"Bearer {hostile}"}
        made = client.post("/v1/tasks", json=task, headers=headers)
        client.patch(f"/v1/tasks/{made.json()['id']}", json={"assignee": title}, headers=headers).raise_for_status()
    watching = start(service, tmp_path / "out", "--after", "0", "--output", output)
    found = wait_for(tmp_path / "out", 2 * len(titles))
    watching.terminate()
    assert watching.wait(60) == 0
    assert len(found) == 2 * len(titles)
    if output == "json":
        assert [json.loads(line)["title"] for line in found[::2]] == titles
        assert [json.loads(line)["after"]["assignee"] for line in found[1::2]] == titles
    for letter in (tmp_path / "out").read_text().replace("\n", ""):
        assert letter.isprintable() or (output == "json" and letter == "\x7f"), repr(letter)


def test_a_terminal_without_unicode(client: httpx.Client, service: Service, tmp_path: Path) -> None:
    task = new_task(client, title="Größe 😀")
    watching = start(service, tmp_path / "out", "--after", "0", PYTHONIOENCODING="ascii")
    (line,) = wait_for(tmp_path / "out", 1)
    assert line[20:] == rf"  created    {task}  Gr\xf6\xdfe \U0001f600  by tests"
    watching.terminate()
    assert watching.wait(60) == 0


def test_it_says_at_once_that_it_is_connected(client: httpx.Client, service: Service, tmp_path: Path) -> None:
    watching = start(service, tmp_path / "out")
    assert wait_for(errors(tmp_path / "out"), 1) == [f"taskpulse: connected to {service.url}; changes follow"]
    watching.terminate()
    assert watching.wait(60) == 0
    assert (tmp_path / "out").read_bytes() == b""


def test_a_service_that_is_not_there(service: Service, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    watching = start(service, tmp_path / "out", "--url", url)
    (line,) = wait_for(errors(tmp_path / "out"), 1)
    assert line == f"taskpulse: {url} does not answer (Connection refused); trying again until it does"
    watching.terminate()
    assert watching.wait(60) == 0


def test_what_is_no_stream_is_told(service: Service, tmp_path: Path) -> None:
    """Another server behind --url, which answers 200 to anything."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), AnyPage)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        watching = start(service, tmp_path / "out", "--url", f"http://127.0.0.1:{server.server_port}")
        (line,) = wait_for(errors(tmp_path / "out"), 1)
        assert "is no stream of events" in line
        watching.terminate()
        assert watching.wait(60) == 0
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class AnyPage(BaseHTTPRequestHandler):
    """Answers with a page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<p>data: hello</p>\n\n")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def seen(log: Path) -> list[str]:
    """Return the task of each event."""
    return [json.loads(line)["task_id"] for line in log.read_text().splitlines() if line.startswith("{")]


@pytest.mark.slow
def test_it_comes_back_by_itself(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    with Service(fresh_database(postgres), tmp_path / "log") as own:
        watching = start(own, tmp_path / "out", "--after", "0", "--output", "json")
        expected = []
        for _ in range(2):
            headers = {"Authorization": f"Bearer {own.key}"}
            with httpx.Client(base_url=own.url, headers=headers) as client:
                expected += [new_task(client), new_task(client)]
            eventually(lambda expected=expected: len(seen(tmp_path / "out")) >= len(expected))  # type: ignore[misc]
            assert seen(tmp_path / "out") == expected
            own.stop()
            own.start()
        watching.send_signal(signal.SIGINT)
        assert watching.wait(60) == 0


def test_a_closed_pipe_ends_it_without_a_traceback(client: httpx.Client, service: Service) -> None:
    new_task(client)
    environment = {**os.environ, "TASKPULSE_KEY": service.key}
    watching = subprocess.Popen(
        command(service, "--after", "0"), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert watching.stdout is not None
    assert watching.stderr is not None
    assert watching.stdout.readline()
    watching.stdout.close()
    new_task(client)
    assert watching.wait(60) == 0
    assert watching.stderr.read().decode() == f"taskpulse: connected to {service.url}; changes follow\n"
    watching.stderr.close()


def test_what_the_api_refuses_is_a_sentence(service: Service) -> None:
    for options, key, said in (
        (["--after", "x"], service.key, "after is the id of an event"),
        (["--after", "\u00fc\n"], service.key, "after is the id of an event"),
        ([], "tp_wrong", f"{service.url}/v1/events answers 401"),
    ):
        environment = {**os.environ, "TASKPULSE_KEY": key}
        refused = subprocess.run(
            command(service, *options), env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert refused.returncode == 1
        assert said in refused.stderr
        assert "Traceback" not in refused.stderr

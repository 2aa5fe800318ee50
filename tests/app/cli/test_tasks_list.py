"""`taskpulse tasks list` and `taskpulse tasks show`."""

import json

import httpx
import psycopg
import pytest

from tests.support.command import on_a_terminal, run
from tests.support.leases import claim, expire, new_task
from tests.support.service import Service

HOSTILE = [f"a{letter}b" for letter in "\x1b\x07\x0b\r\n\t\x7f\u0085\u009b\u2028\u2029\u202e\U000e0001"]


def test_it_works(client: httpx.Client, service: Service) -> None:
    first = new_task(client, title="Print the labels", labels=["print"])
    second = new_task(client, title="Count stock", priority="urgent")
    client.patch(f"/v1/tasks/{first}", json={"status": "done"}).raise_for_status()
    shown = run(service, "tasks", "list")
    assert (shown.status, shown.errors) == (0, "")
    heading, *rows = shown.output.splitlines()
    assert heading.split() == ["ID", "STATUS", "AGE", "TITLE"]
    assert [row.split(maxsplit=3)[::3] for row in rows] == [[second, "Count stock"], [first, "Print the labels"]]
    assert [row.split()[1] for row in rows] == ["open", "done"]
    assert {row.index(title) for row, title in zip(rows, ("Count", "Print"), strict=True)} == {heading.index("TITLE")}


def test_it_fits_the_terminal(client: httpx.Client, service: Service) -> None:
    new_task(client, title="標" * 100, labels=["print", "rush"])
    narrow = run(service, "tasks", "list").output.splitlines()
    assert narrow[1].endswith("標…")
    assert "LABELS" not in narrow[0]
    # two columns for each of these letters
    assert all(len(line) + line.count("標") <= 80 for line in narrow)
    wide = run(service, "tasks", "list", COLUMNS="140").output.splitlines()
    assert wide[0].split() == ["ID", "STATUS", "AGE", "PRIORITY", "LABELS", "ASSIGNEE", "TITLE"]
    assert "print,rush" in wide[1]
    assert all(80 < len(line) + line.count("標") <= 140 for line in wide[1:])


@pytest.mark.parametrize("command", ["list", "show"])
def test_no_text_commands_the_terminal(client: httpx.Client, service: Service, command: str) -> None:
    for text in HOSTILE:
        fields = {"title": text, "assignee": text, "labels": [text], "description": text, "payload": {text: text}}
        task = new_task(client, **fields, unique_key=text)
        claim(client, task, worker=text)
        arguments = ["list", "--label", text] if command == "list" else ["show", task]
        shown = run(service, "tasks", *arguments, COLUMNS="200")
        assert shown.status == 0
        assert "a?b" in shown.output
        assert [letter for letter in shown.output if not letter.isprintable() and letter != "\n"] == []
        in_list = 2 if command == "list" else None
        assert in_list is None or len(shown.output.splitlines()) == in_list


@pytest.mark.parametrize("output", ["json", "ndjson"])
def test_json_commands_no_terminal_and_stays_the_same(client: httpx.Client, service: Service, output: str) -> None:
    for text in HOSTILE:
        new_task(client, title=text)
    on_terminal = on_a_terminal(service, "tasks", "list", "--output", output)
    assert on_terminal.status == 0
    assert [letter for letter in on_terminal.output if not letter.isprintable() and letter != "\n"] == []
    piped = run(service, "tasks", "list", "--output", output)
    for text in (on_terminal.output, piped.output):
        found = json.loads(text)["items"] if output == "json" else [json.loads(line) for line in text.split("\n")[:-1]]
        assert [task["title"] for task in reversed(found)] == HOSTILE


def test_json_is_that_of_the_api(client: httpx.Client, service: Service) -> None:
    body = (
        b'{"title": "Gr\xc3\xb6\xc3\x9fe", "payload": {"n": [1.50, 1e2, 0.12345678901234567890, 12345678901234567890]}}'
    )
    task = client.post("/v1/tasks", content=body, headers={"Content-Type": "application/json"}).json()["id"]
    for arguments in (["list"], ["show", task]):
        shown = run(service, "tasks", *arguments, "--output", "ndjson")
        assert shown.output.endswith("}\n")
        assert '"n":[1.50,1e2,0.12345678901234567890,12345678901234567890]' in shown.output
        assert json.loads(shown.output) == client.get(f"/v1/tasks/{task}").json()
    assert json.loads(run(service, "tasks", "list", "--output", "json").output) == client.get("/v1/tasks").json()
    assert json.loads(run(service, "tasks", "show", task, "--output", "json").output)["title"] == "Größe"


def test_pages_are_followed_up_to_the_limit(client: httpx.Client, service: Service) -> None:
    tasks = [{"title": f"Task {number}"} for number in range(451)]
    client.post("/v1/tasks/batch", json={"tasks": tasks}).raise_for_status()
    some = run(service, "tasks", "list", "--limit", "450")
    assert len(some.output.splitlines()) == 451
    assert some.errors == "These are the first 450; there are more. --limit shows more, `tasks export` all.\n"
    every = run(service, "tasks", "list", "--limit", "451", "--output", "ndjson")
    assert every.errors == ""
    assert len({json.loads(line)["id"] for line in every.output.splitlines()}) == 451
    part = run(service, "tasks", "list", "--limit", "201", "--output", "json")
    assert len(json.loads(part.output)["items"]) == 201
    assert json.loads(part.output)["next_cursor"]


def test_filters(client: httpx.Client, service: Service, database: psycopg.Connection) -> None:
    quiet = new_task(client, title="Quiet one", labels=["a"], priority="high", assignee="kim")
    claim(client, quiet)
    expire(database, quiet, seconds_ago=3600)
    late = new_task(client, title="Late", labels=["b"], due_at="2020-01-01T00:00:00Z")
    later = new_task(client, title="Later", run_after="2030-01-01T00:00:00Z")
    for options, expected in (
        (["--status", "in_progress"], [quiet]),
        (["--label", "a", "--label", "b", "--sort", "created_at"], [quiet, late]),
        (["--priority", "high", "--priority", "urgent"], [quiet]),
        (["--assignee", "kim"], [quiet]),
        (["--q", "quiet"], [quiet]),
        (["--overdue"], [late]),
        (["--overdue=false", "--sort", "-created_at"], [later, quiet]),
        (["--lease", "expired"], [quiet]),
        (["--ready", "false", "--status", "open"], [later]),
        (["--due-before", "2021-01-01T00:00:00+01:00", "--due-after", "2019-01-01T00:00:00Z"], [late]),
        (["--run-after-after", "2029-01-01T00:00:00Z", "--run-after-before", "2031-01-01T00:00:00Z"], [later]),
        (["--created-before", "2021-01-01T00:00:00Z"], []),
        (["--created-after", "2021-01-01T00:00:00Z", "--updated-after", "2021-01-01T00:00:00Z", "--q", "late"], [late]),
    ):
        shown = run(service, "tasks", "list", *options, "--output", "ndjson")
        assert shown.status == 0, shown.errors
        assert [json.loads(line)["id"] for line in shown.output.splitlines()] == expected, options


def test_nothing_to_list(client: httpx.Client, service: Service) -> None:
    for options, said in ([], "There are no tasks.\n"), (["--label", "x"], "No tasks match.\n"):
        assert run(service, "tasks", "list", *options) == (0, "", said)
    assert json.loads(run(service, "tasks", "list", "--output", "json").output) == client.get("/v1/tasks").json()


def test_show_says_who_holds_a_task(client: httpx.Client, service: Service, database: psycopg.Connection) -> None:
    fields = {"title": "Print", "description": "one\ntwo", "payload": {"pages": 10}, "retry": {"backoff_s": 5}}
    task = new_task(client, **fields, due_at="2020-01-01T00:00:00Z")
    token = claim(client, task, worker="printer-1")["lease"]["token"]
    pulse = {"token": token, "progress": 40, "note": "page 4 of 10"}
    client.post(f"/v1/tasks/{task}/pulse", json=pulse).raise_for_status()
    shown = run(service, "tasks", "show", task).output
    assert "Lease:        printer-1, attempt 1, 40%, page 4 of 10\n              pulsed " in shown
    assert "Description:  one\n              two\n" in shown
    assert '"pages": 10' in shown
    assert '"backoff_s": 5' in shown
    assert "Due:          2020-01-01 00:00:00Z (" in shown
    expire(database, task, seconds_ago=3600)
    assert ", expired 60m ago\n" in run(service, "tasks", "show", task).output
    client.patch(f"/v1/tasks/{task}", json={"title": "Again"}).raise_for_status()
    assert "Result" not in run(service, "tasks", "show", task).output

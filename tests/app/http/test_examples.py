"""The examples of the OpenAPI document are what the real service answers.

To write them after a change: UPDATE_EXAMPLES=1 .venv/bin/pytest -k test_examples
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from app.dev.postgres import NAME, EmbeddedPostgres
from app.keys import admin as keys
from tests.app.http import example_calls as calls
from tests.app.http.example_calls import Json, Recorder
from tests.support.contract import PROBLEM, Contract
from tests.support.service import Service, fresh_database

FILE = Path("app/http/reference/examples.json")
UPDATE = "UPDATE_EXAMPLES"
HINT = f"The service answers otherwise than {FILE} says; `{UPDATE}=1 .venv/bin/pytest -k test_examples` writes it."
SLOW = "request-timeout"
"""The problem that takes ten seconds to get."""

CHANGING = {
    "uuid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "event": r"[0-9a-f]{12}-[0-9]+-[0-9]+",
    "time": r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z",
    "id": r"\b([0-9a-f]{12}|[0-9a-f]{16})\b",
    "cursor": r"cursor=[\w%-]+",
}
"""What differs from one run to the next."""
LOOSE = ("getStats", "scrapeMetrics", "describeService")
"""Operations of which only the form is compared: they tell figures of the process, or its version."""


def form(value: Any, *, loose: bool = False, name: str = "") -> Any:
    """Return a value with a word in the place of all that differs from one run to the next."""
    if isinstance(value, dict):
        return {key: form(each, loose=loose, name=key) for key, each in value.items()}
    if isinstance(value, list):
        return [form(each, loose=loose, name=name) for each in value]
    if name in ("next_cursor", "cursor", "Retry-After", "token") and value is not None:
        return name
    if isinstance(value, str):
        for word, pattern in CHANGING.items():
            value = re.sub(pattern, word, value)
        return re.sub(r"[0-9.e+-]+", "0", value) if loose else value
    return type(value).__name__ if loose else value


def merged(stored: Json, made: Json) -> Json:
    """Return the examples as they were made, but those whose form is the same as they are stored."""
    operations = {}
    for name, found in made["operations"].items():
        loose = name in LOOSE
        before = stored["operations"].get(name)
        operations[name] = before if before and form(before, loose=loose) == form(found, loose=loose) else found
    problems = {
        name: stored["problems"][name] if form(stored["problems"].get(name)) == form(found) else found
        for name, found in made["problems"].items()
    }
    return {"operations": operations, "problems": dict(sorted(problems.items()))}


def check(root: Path, made: Json) -> None:
    """Assert that the stored examples have the form of these, or write these."""
    stored = json.loads((root / FILE).read_text("utf-8"))
    expected = merged(stored, made)
    if os.environ.get(UPDATE):
        text = json.dumps(expected, indent=1, ensure_ascii=False)
        (root / FILE).write_text(f"{text}\n", "utf-8")
    else:
        for kind in ("operations", "problems"):
            assert stored[kind].keys() == expected[kind].keys(), HINT
            for name, found in expected[kind].items():
                assert form(stored[kind][name]) == form(found), HINT


@pytest.fixture(scope="module")
def recorder(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    """All calls, made at a service of their own whose database comes late."""
    settings = fresh_database(postgres)
    service = Service(settings, tmp_path_factory.mktemp("examples") / "log")
    service.key = keys.create(settings, "web-shop", ("read", "write", "work", "metrics"), None)
    weak = keys.create(settings, "dashboard", ("read",), None)
    connection = psycopg.connect(host=postgres.host, dbname=NAME, user=NAME, autocommit=True)
    with closing(connection) as server:
        server.execute(f"alter database {settings.db_name} with allow_connections false".encode())
        service.start(wait=False)
        try:
            yield _record(service, server, weak)
        finally:
            service.stop()


def _record(service: Service, server: psycopg.Connection, weak: str) -> Recorder:
    transport = httpx.HTTPTransport(retries=20)  # until the process listens
    headers = {"Authorization": f"Bearer {service.key}"}
    with httpx.Client(base_url=service.url, headers=headers, transport=transport, timeout=60) as client:
        while not service.listens():
            pass
        recorder = Recorder(client, client.get("/openapi.json").json())
        recorder.refused("checkReady", "not-ready")
        recorder.problem(client.get("/v1/tasks"))
        server.execute(f"alter database {service.settings.db_name} with allow_connections true".encode())
        service.wait_until_ready()
        with psycopg.connect(service.conninfo, autocommit=True) as database:
            task, paper = calls.record_tasks(recorder)
            calls.record_list(recorder)
            calls.record_leases(recorder, task, paper)
            calls.record_many(recorder)
            calls.record_queues(recorder)
            calls.record_service(recorder, service)
            calls.record_problems(recorder, service, weak, database)
            record_too_many_queues(recorder)
            recorder.refuse_other_bodies()
    return recorder


def record_too_many_queues(recorder: Recorder) -> None:
    """Make queues until there may be no more."""
    before = len(recorder.operations["putQueue"]["calls"])
    made = (recorder.call("putQueue", "One more", body={}, label=f"queue-{number}") for number in range(51))
    assert any(answer.get("type") == "/problems/too-many-queues" for answer in made)
    last = recorder.operations["putQueue"]["calls"][-1]
    recorder.operations["putQueue"]["calls"][before:] = [last]


def test_the_service_answers_so(recorder: Recorder, root: Path) -> None:
    stored = json.loads((root / FILE).read_text("utf-8"))
    slow = {SLOW: stored["problems"][SLOW]} if SLOW in stored["problems"] else {}
    check(root, {"operations": recorder.operations, "problems": {**recorder.problems, **slow}})


@pytest.mark.slow
def test_a_request_that_comes_too_slowly_is_answered_so(service: Service, root: Path) -> None:
    stored = json.loads((root / FILE).read_text("utf-8"))
    found = calls.kept(calls.record_slow_body(service), "")
    check(root, {**stored, "problems": {**stored["problems"], found["name"]: found}})


def test_another_answer_is_noticed() -> None:
    call: Json = {
        "name": "A task",
        "body": {"id": str(uuid_like(1)), "title": "Count stock", "at": "2026-01-31T12:00:00Z"},
    }
    again = {
        "name": "A task",
        "body": {"id": str(uuid_like(2)), "title": "Count stock", "at": "2026-02-01T12:00:00.5Z"},
    }
    assert form(call) == form(again)
    assert form(call) != form({**call, "body": {**call["body"], "title": "Order paper"}})
    assert form(call) != form({**call, "body": {**call["body"], "at": None}})
    assert form(call) != form({**call, "body": {**call["body"], "more": 1}})


def uuid_like(number: int) -> str:
    return f"01981b1e-4d1c-7bd3-a0a5-{number:012x}"


def test_every_example_has_the_form_of_its_schema(contract: Contract) -> None:
    shown = 0
    for path, methods in contract.document["paths"].items():
        for method, operation in methods.items():
            place = f"#/paths/{path.replace('/', '~1')}/{method}"
            bodies: Json = {f"{place}/requestBody": operation["requestBody"]} if "requestBody" in operation else {}
            bodies |= {f"{place}/responses/{status}": response for status, response in operation["responses"].items()}
            for where, body in bodies.items():
                for media_type, content in body.get("content", {}).items():
                    for example in content["examples"].values():
                        reference = example.get("$ref", "").rpartition("/")[2]
                        value = contract.document["components"]["examples"][reference] if reference else example
                        contract.validate(f"{where}/content/{media_type.replace('/', '~1')}/schema", value["value"])
                        shown += 1
    assert shown > 300
    assert PROBLEM in json.dumps(contract.document)

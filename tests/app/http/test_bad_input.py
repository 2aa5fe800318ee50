"""What a body must not be: for each rule its status, type and pointer, and what is just right beside it."""

import json
from typing import Any, NamedTuple

import httpx
import psutil
import pytest

from tests.support.contract import problem
from tests.support.service import Service

JSON = {"Content-Type": "application/json"}
MEBIBYTE = 1024 * 1024


class Case(NamedTuple):
    """A body, and the problem it must get: `pointers` are empty where it is not JSON at all."""

    name: str
    body: bytes | str
    pointers: tuple[str, ...] = ()

    @property
    def type(self) -> str:
        """The problem's type."""
        return "invalid-request" if self.pointers else "malformed-json"


def payload(text: str) -> str:
    """Return a task whose payload is this text."""
    return '{"title": "x", "payload": ' + text + "}"


def nested(depth: int, opening: str, closing: str) -> str:
    """Return a task whose payload holds `depth` containers, each in the one before."""
    return payload('{"a": ' + opening * depth + closing * depth + "}")


MALFORMED = [
    Case("not JSON", "title=x"),
    Case("cut off", '{"title": "x"'),
    Case("something after the end", '{"title": "x"} {}'),
    Case("single quotes", "{'title': 'x'}"),
    Case("a trailing comma", '{"title": "x",}'),
    Case("only white space", "  \n"),
    Case("a byte order mark", b'\xef\xbb\xbf{"title": "x"}'),
    Case("invalid UTF-8", b'{"title": "\xff"}'),
    Case("a surrogate in UTF-8", b'{"title": "\xed\xa0\x80"}'),
    Case("UTF-16", '{"title": "x"}'.encode("utf-16")),
    Case("a raw control character", b'{"title": "a\x00b"}'),
    Case("a raw line feed in a string", '{"title": "a\nb"}'),
    Case("arrays nested 10,000 deep", "[" * 10_000 + "]" * 10_000),
    Case("10,000 open arrays", "[" * 10_000),
    Case("objects nested 10,000 deep", '{"a":' * 10_000 + "1" + "}" * 10_000),
    Case("a payload nested 10,000 deep", nested(10_000, "[", "]")),
    Case("a payload nested one too deep", nested(99, "[", "]")),
    Case("a lone high surrogate", '{"title": "\\ud800"}'),
    Case("a lone low surrogate", '{"title": "\\udc00x"}'),
    Case("surrogates the wrong way round", '{"title": "\\udc00\\ud800"}'),
    Case("a lone surrogate in a name of the payload", payload('{"\\ud800": 1}')),
    Case("a lone surrogate deep in the payload", payload('{"a": [{"b": "\\uDBFF"}]}')),
    Case("a number beyond double precision", payload('{"n": 1e400}')),
    Case("a negative one", payload('{"n": -1e400}')),
    Case("an integer of 5,000 digits", payload('{"n": ' + "9" * 5000 + "}")),
    Case("an integer of 5,000 digits in a field", '{"title": "x", "max_attempts": ' + "9" * 5000 + "}"),
    Case("NaN", payload('{"n": NaN}')),
    Case("Infinity", payload('{"n": Infinity}')),
    Case("minus Infinity", payload('{"n": -Infinity}')),
    Case("a leading zero", payload('{"n": 01}')),
    Case("a plus sign", payload('{"n": +1}')),
    Case("a hexadecimal number", payload('{"n": 0x1}')),
    Case("a name twice", '{"title": "x", "title": "y"}'),
    Case("a name twice, once escaped", '{"title": "x", "t\\u0069tle": "y"}'),
    Case("a name twice in the payload", payload('{"a": {"b": 1, "b": 2}}')),
    Case("a name twice in an array of the payload", payload('{"a": [{"b": 1, "b": 1}]}')),
]

NUL = [
    Case("U+0000 in a title", '{"title": "a\\u0000b"}', ("#/title",)),
    Case("U+0000 in a label", '{"title": "x", "labels": ["ok", "\\u0000"]}', ("#/labels/1",)),
    Case("U+0000 in the payload", payload('{"a": [0, "\\u0000"]}'), ("#/payload/a/1",)),
    Case("U+0000 in a name of the payload", payload('{"a/b": {"\\u0000": 1}}'), ("#/payload/a~1b",)),
    Case("U+0000 in a name", '{"title": "x", "\\u0000": 1}', ("#",)),
]

WHOLE = [
    Case("nothing", "", ("#",)),
    Case("null", "null", ("#",)),
    Case("a number", "1", ("#",)),
    Case("a string", '"title"', ("#",)),
    Case("an array", '[{"title": "x"}]', ("#",)),
]


def ids(cases: list[Case]) -> list[str]:
    """Return the names of cases, for pytest."""
    return [case.name for case in cases]


@pytest.mark.parametrize("case", MALFORMED + NUL + WHOLE, ids=ids(MALFORMED + NUL + WHOLE))
def test_a_body_that_no_call_takes(client: httpx.Client, case: Case) -> None:
    task = f"/v1/tasks/{client.post('/v1/tasks', json={'title': 'x'}).json()['id']}"
    for method, path in (("POST", "/v1/tasks"), ("POST", "/v1/tasks/batch"), ("PATCH", task)):
        response = client.request(method, path, content=case.body, headers=JSON)
        problem(response, 400, case.type, *case.pointers)
    assert client.get(task).json()["version"] == 1


FIELDS: list[tuple[str, Any]] = [
    ("title", None),
    ("title", 1),
    ("title", True),
    ("title", ["x"]),
    ("title", ""),
    ("title", "x" * 201),
    ("description", 1),
    ("description", "x" * 10_001),
    ("status", None),
    ("status", 1),
    ("status", "Open"),
    ("status", "todo"),
    ("priority", 1),
    ("priority", "highest"),
    ("assignee", {}),
    ("assignee", ""),
    ("assignee", "x" * 201),
    ("labels", "x"),
    ("labels", {"a": 1}),
    ("labels", [str(number) for number in range(21)]),
    ("labels/0", [1]),
    ("labels/1", ["a", ""]),
    ("labels/1", ["a", "x" * 51]),
    ("labels/2", ["a", "b", "a"]),
    ("labels/0", [None]),
    ("retry", 7),
    ("retry", [10]),
    ("retry/backoff_s", {"backoff_s": -1}),
    ("retry/backoff_s", {"backoff_s": 86_401}),
    ("retry/backoff_s", {"backoff_s": 1.5}),
    ("retry/factor", {"factor": 0.9}),
    ("retry/factor", {"factor": 10.1}),
    ("retry/factor", {"factor": "2"}),
    ("retry/max_s", {"max_s": -1}),
    ("unique_key", 7),
    ("unique_key", ""),
    ("unique_key", "x" * 256),
    ("run_after", 1_800_000_000),
    ("run_after", "tomorrow"),
    ("run_after", "2027-01-01T00:00:00"),
    ("due_at", 1_800_000_000),
    ("due_at", "tomorrow"),
    ("due_at", "2027-01-01"),
    ("due_at", "2027-01-01T00:00:00"),
    ("due_at", "2027-02-29T00:00:00Z"),
    ("due_at", "2027-01-01T24:00:00Z"),
    ("due_at", "2027-01-01T00:00:60Z"),
    ("due_at", "2027-01-01T00:00:00+24:00"),
    ("due_at", "0000-01-01T00:00:00Z"),
    ("due_at", "0001-01-01T00:00:00+00:01"),
    ("due_at", "9999-12-31T23:59:59-00:01"),
    ("due_at", "10000-01-01T00:00:00Z"),
    ("payload", []),
    ("payload", "{}"),
    ("payload", {"a": "x" * (16_384 - 7)}),
    ("payload", {"é": "x" * (16_384 - 8)}),
    ("max_attempts", 0),
    ("max_attempts", 1001),
    ("max_attempts", -1),
    ("max_attempts", "3"),
    ("max_attempts", True),
    ("max_attempts", 2.5),
    ("max_attempts", 2**63),
    ("max_attempts", int("9" * 300)),
    ("id", "01890000-0000-7000-8000-000000000000"),
    ("version", 1),
    ("attempts", 0),
    ("fence", 0),
    ("cancel_requested", True),
    ("created_at", "2027-01-01T00:00:00Z"),
    ("updated_at", "2027-01-01T00:00:00Z"),
    ("finished_at", "2027-01-01T00:00:00Z"),
    ("colour", "red"),
    ("Title", "x"),
    ("", 1),
    ("a~1b", 1),
]


@pytest.mark.parametrize(
    ("pointer", "value"), FIELDS, ids=[f"{pointer}={str(value)[:30]}" for pointer, value in FIELDS]
)
def test_a_wrong_field_is_named(client: httpx.Client, pointer: str, value: Any) -> None:
    name = pointer.partition("/")[0].replace("~1", "/")
    task = {"title": "x"} | {name: value}
    path = f"/v1/tasks/{client.post('/v1/tasks', json={'title': 'x'}).json()['id']}"
    problem(client.post("/v1/tasks", json=task), 400, "invalid-request", f"#/{pointer}")
    problem(client.patch(path, json={name: value}), 400, "invalid-request", f"#/{pointer}")
    batch = {"tasks": [{"title": "ok"}] * 17 + [task]}
    problem(client.post("/v1/tasks/batch", json=batch), 400, "invalid-request", f"#/tasks/17/{pointer}")
    assert len(client.get("/v1/tasks").json()["items"]) == 1
    assert client.get(path).json()["version"] == 1


RIGHT: list[tuple[str, Any]] = [
    ("title", "x" * 200),
    ("title", "\N{PILE OF POO}" * 200),
    ("title", "'; drop table tasks; --"),
    ("title", "\x01\x7f\u202e\uffff"),
    ("description", ""),
    ("description", "é" * 10_000),
    ("description", None),
    ("assignee", "x" * 200),
    ("labels", [f"{number:050}" for number in range(20)]),
    ("labels", ["a", "A", "{", '"', ",", "NULL", "\\"]),
    ("labels", []),
    ("due_at", "0001-01-01T00:00:00.000000Z"),
    ("due_at", "9999-12-31T23:59:59.999999Z"),
    ("payload", {"a": "x" * (16_384 - 8)}),
    ("payload", {"é": "x" * (16_384 - 9)}),
    ("payload", {"": 0, "a": [None, {}, [], False], "\u2028": "\N{PILE OF POO}"}),
    ("max_attempts", 1),
    ("max_attempts", 1000),
]


@pytest.mark.parametrize(("name", "value"), RIGHT, ids=[f"{name}={str(value)[:30]}" for name, value in RIGHT])
def test_a_field_at_its_limit_comes_back_as_sent(client: httpx.Client, name: str, value: Any) -> None:
    created = client.post("/v1/tasks", json={"title": "x", name: value})
    assert created.status_code == 201
    assert created.json()[name] == value
    path = f"/v1/tasks/{client.post('/v1/tasks', json={'title': 'x'}).json()['id']}"
    assert client.patch(path, json={name: value}).json()[name] == value
    assert client.get(path).json()[name] == value
    batch = client.post("/v1/tasks/batch", json={"tasks": [{"title": "x", name: value}]})
    assert batch.json()["items"][0][name] == value


NUMBERS = ["9" * 300, "-" + "9" * 300, "1.10", "1e308", "1E+2", "-0", "0.1e-400", "123456789012345678901234567890.5"]


@pytest.mark.parametrize("number", NUMBERS, ids=[number[:20] for number in NUMBERS])
def test_numbers_of_a_payload_stay_as_written(client: httpx.Client, number: str) -> None:
    created = client.post("/v1/tasks", content=payload('{"n": ' + number + "}"), headers=JSON)
    assert f'{{"n":{number}}}' in created.text
    patched = client.patch(created.headers["location"], content='{"payload":{"m":' + number + "}}", headers=JSON)
    assert f'{{"n":{number},"m":{number}}}' in patched.text


def test_nested_100_deep_is_taken(client: httpx.Client) -> None:
    deepest = nested(98, "[", "]")
    created = client.post("/v1/tasks", content=deepest, headers=JSON)
    assert created.json()["payload"] == json.loads(deepest)["payload"]
    patch = payload('{"b": ' + "[" * 98 + "]" * 98 + "}")
    assert client.patch(created.headers["location"], content=patch, headers=JSON).status_code == 200


def test_every_wrong_field_is_named_at_once(client: httpx.Client) -> None:
    task = {"colour": "red", "labels": ["", 5], "priority": "none", "payload": {"is": "right"}, "max_attempts": 0}
    expected = ("colour", "title", "priority", "labels/0", "labels/1", "max_attempts")
    problem(client.post("/v1/tasks", json=task), 400, "invalid-request", *(f"#/{pointer}" for pointer in expected))


def test_an_answer_names_a_hundred_wrong_parts_at_the_most(client: httpx.Client) -> None:
    response = client.post("/v1/tasks/batch", json={"tasks": [{}] * 1000})
    problem(response, 400, "invalid-request", *(f"#/tasks/{index}/title" for index in range(100)))


BATCHES = [
    ("#/tasks", {}),
    ("#/tasks", {"tasks": None}),
    ("#/tasks", {"tasks": {}}),
    ("#/tasks", {"tasks": []}),
    ("#/tasks", {"tasks": [{"title": "x"}] * 1001}),
    ("#/tasks/0", {"tasks": [None]}),
    ("#/tasks/1", {"tasks": [{"title": "x"}, [{"title": "x"}]]}),
    ("#/tasks/1/title", {"tasks": [{"title": "x"}, {}]}),
    ("#/items", {"tasks": [{"title": "x"}], "items": []}),
]


@pytest.mark.parametrize(("pointer", "batch"), BATCHES, ids=[str(batch)[:30] for _, batch in BATCHES])
def test_a_wrong_batch_creates_nothing(client: httpx.Client, pointer: str, batch: Any) -> None:
    problem(client.post("/v1/tasks/batch", json=batch), 400, "invalid-request", pointer)
    assert client.get("/v1/tasks").json()["items"] == []


SIZES = [("POST", "/v1/tasks", MEBIBYTE), ("PATCH", "", MEBIBYTE), ("POST", "/v1/tasks/batch", 8 * MEBIBYTE)]


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "chunked"])
@pytest.mark.parametrize(("method", "path", "limit"), SIZES, ids=["create", "patch", "batch"])
def test_size_of_a_body(client: httpx.Client, method: str, path: str, limit: int, chunked: bool) -> None:
    path = path or client.post("/v1/tasks", json={"title": "x"}).headers["location"]
    body = (b'{"tasks":[{"title":"x"}]}' if "batch" in path else b'{"title":"x"}').ljust(limit)
    pieces = [body[at : at + 65536] for at in range(0, limit, 65536)]
    allowed = client.request(method, path, content=iter(pieces) if chunked else body, headers=JSON)
    assert allowed.status_code in (200, 201)
    refused = client.request(method, path, content=iter([*pieces, b" "]) if chunked else body + b" ", headers=JSON)
    problem(refused, 413, "content-too-large")


LARGE = [
    ("a name twice among 90,000", '{"title":"x",' + ",".join(f'"a{n}":1' for n in range(90_000)) + ',"a89999":1}'),
    ("90,000 unknown fields", "{" + ",".join(f'"a{n}":1' for n in range(90_000)) + "}"),
    ("a long name over many members", payload('{"' + "n" * 500_000 + '":[' + "0," * 200_000 + '"\\ud83d\\ude00"]}')),
    ("500,000 tasks", '{"tasks":[' + ",".join(['{"title":"a"}'] * 500_000) + "]}"),
    ("500,000 tasks and no end", '{"tasks":[' + ",".join(['{"title":"a"}'] * 500_000)),
    ("2,500,000 empty tasks", '{"tasks":[' + ",".join(["{}"] * 2_500_000) + "]}"),
    (
        "a payload of 600,000 members",
        '{"tasks":[' + payload(str({str(n): 0 for n in range(600_000)}).replace("'", '"')) + "]}",
    ),
    ("700,000 unknown fields", "{" + ",".join(f'"{n}":1' for n in range(700_000)) + "}"),
]


@pytest.mark.parametrize(("name", "body"), LARGE, ids=[name for name, _ in LARGE])
def test_a_large_body_is_refused_soon_and_in_few_words(
    client: httpx.Client, service: Service, name: str, body: str
) -> None:
    """Soon is measured in the processor's time, which other programs do not lengthen as much as that of the clock."""
    assert service.process is not None
    process = psutil.Process(service.process.pid)
    before = process.cpu_times().user
    response = client.post("/v1/tasks/batch", content=body, headers=JSON)
    assert response.status_code == 400
    assert process.cpu_times().user - before < 1, name
    assert len(response.content) < 100_000


def test_a_large_body_is_told_its_first_fault(client: httpx.Client) -> None:
    tasks: list[Any] = [{"title": "x", "description": "d" * 2000} for _ in range(900)]
    wrong = [(7, {"title": 5}, "#/tasks/7/title"), (5, {"title": "x", "labels": ["a", "a"]}, "#/tasks/5/labels/1")]
    wrong.append((3, {"title": "x", "payload": {"a": "x" * 16_384}}, "#/tasks/3/payload"))
    for index, task, pointer in wrong:
        batch = {"tasks": [*tasks[:index], task, *tasks[index + 1 :]]}
        problem(client.post("/v1/tasks/batch", json=batch), 400, "invalid-request", pointer)
    cut = json.dumps({"tasks": tasks})[:-1]
    problem(client.post("/v1/tasks/batch", content=cut, headers=JSON), 400, "malformed-json")

"""What a request must not be beside its body: query, headers, method, path."""

import socket
from uuid import UUID, uuid4

import httpx
import pytest

from app.tasks import cursor
from tests.support.contract import problem
from tests.support.leases import new_task
from tests.support.service import Service

TASK = "/v1/tasks/01890000-0000-7000-8000-000000000000"
FOREIGN = cursor.encode(["2026-01-01T00:00:00Z", "01890000-0000-7000-8000-000000000000"], {"status": ["done"]})

QUERIES = [
    ("limit=0", "limit", ">= 1"),
    ("limit=-1", "limit", ">= 1"),
    ("limit=201", "limit", "<= 200"),
    ("limit=", "limit", "digits"),
    ("limit=abc", "limit", "digits"),
    ("limit=1.5", "limit", "digits"),
    ("limit=1e2", "limit", "digits"),
    ("limit=5.0", "limit", "digits"),
    ("limit=%2B5", "limit", "digits"),
    ("limit=1_0", "limit", "digits"),
    ("limit=\N{ARABIC-INDIC DIGIT FIVE}", "limit", "digits"),
    ("limit=" + "9" * 5000, "limit", "range"),
    ("limit=1&limit=2", "limit", "2 times"),
    ("lease=null", "lease", "one of live, expired, none"),
    ("lease=NULL", "lease", "one of live, expired, none"),
    ("limit=1&limit=1", "limit", "2 times"),
    ("Limit=1", "Limit", "limit"),
    ("offset=1", "offset", "limit"),
    ("=1", "", "limit"),
    ("status=", "status", "''"),
    ("status=todo", "status", "'todo'"),
    ("status=open,done", "status", "'open,done'"),
    ("status=open&status=todo", "status", "'todo'"),
    ("status=open%00", "status", "U+0000"),
    ("cursor=", "cursor", "damaged"),
    ("cursor=garbage", "cursor", "damaged"),
    ("cursor=%C3%A9", "cursor", "damaged"),
    ("cursor=%FF", "cursor", "damaged"),
    ("cursor=%00", "cursor", "U+0000"),
    ("cursor=a&cursor=b", "cursor", "2 times"),
    ("cursor=" + "A" * 5000, "cursor", "damaged"),
    ("cursor=" + FOREIGN, "cursor", "other filters"),
]


@pytest.mark.parametrize(("query", "name", "says"), QUERIES, ids=[query[:30] for query, _, _ in QUERIES])
def test_a_wrong_query_parameter_is_named(client: httpx.Client, query: str, name: str, says: str) -> None:
    body = problem(client.get(f"/v1/tasks?{query}"), 400, "invalid-request", name)
    assert body["errors"][0]["in"] == "query"
    assert says in body["detail"]


def test_every_wrong_query_parameter_is_named_at_once(client: httpx.Client) -> None:
    problem(client.get("/v1/tasks?a=1&limit=1&b=2&limit=2"), 400, "invalid-request", "a", "limit", "b")


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/tasks"), ("POST", "/v1/tasks/batch"), ("GET", TASK), ("PATCH", TASK), ("DELETE", TASK)],
)
def test_calls_without_query_parameters_refuse_all(client: httpx.Client, method: str, path: str) -> None:
    response = client.request(method, f"{path}?dry_run=true", json={"title": "x"})
    assert "it takes none" in problem(response, 400, "invalid-request", "dry_run")["detail"]


def test_a_cursor_that_was_cut_or_is_of_another_list(client: httpx.Client) -> None:
    client.post("/v1/tasks/batch", json={"tasks": [{"title": "x"}] * 3})
    good = client.get("/v1/tasks?limit=1").json()["next_cursor"]
    assert client.get("/v1/tasks", params={"limit": 1, "cursor": good}).status_code == 200
    for length in range(len(good)):
        response = client.get("/v1/tasks", params={"cursor": good[:length]})
        assert "damaged" in problem(response, 400, "invalid-request", "cursor")["detail"]
    response = client.get("/v1/tasks", params={"cursor": good, "status": "open"})
    assert "other filters" in problem(response, 400, "invalid-request", "cursor")["detail"]
    response = client.get("/v1/tasks", params={"cursor": good + "AAAA"})
    problem(response, 400, "invalid-request", "cursor")


MEDIA_TYPES = [
    {},
    {"Content-Type": ""},
    {"Content-Type": "text/plain"},
    {"Content-Type": "application/x-www-form-urlencoded"},
    {"Content-Type": "application/jsonp"},
    {"Content-Type": "application/problem+json"},
    {"Content-Type": "application/json-patch+json"},
    {"Content-Type": "multipart/form-data; boundary=x"},
    {"Content-Type": "application/json; charset=latin-1"},
    {"Content-Type": "application/json; charset=utf-16"},
    {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    {"Content-Type": "application/json", "Content-Encoding": "br, gzip"},
]


@pytest.mark.parametrize("headers", MEDIA_TYPES, ids=str)
def test_another_media_type_or_coding_is_415(client: httpx.Client, headers: dict[str, str]) -> None:
    for method, path in (("POST", "/v1/tasks"), ("POST", "/v1/tasks/batch"), ("PATCH", TASK)):
        response = client.request(method, path, content=b'{"title": "x"}', headers=headers)
        problem(response, 415, "unsupported-media-type")
        name = "accept-patch" if method == "PATCH" else "accept"
        name = "accept-encoding" if "Content-Encoding" in headers else name
        assert response.headers[name]


@pytest.mark.parametrize(
    "media_type",
    ["application/json", "Application/JSON", "application/json;charset=utf-8", 'application/json ; charset="UTF-8"'],
)
def test_json_by_any_other_spelling_is_taken(client: httpx.Client, media_type: str) -> None:
    response = client.post("/v1/tasks", content=b'{"title": "x"}', headers={"Content-Type": media_type})
    assert response.status_code == 201


def test_merge_patch_is_for_patch_only(client: httpx.Client) -> None:
    headers = {"Content-Type": "application/merge-patch+json"}
    problem(client.post("/v1/tasks", content=b'{"title": "x"}', headers=headers), 415, "unsupported-media-type")
    created = client.post("/v1/tasks", json={"title": "x"}).headers["location"]
    assert client.patch(created, content=b'{"title": "y"}', headers=headers).json()["title"] == "y"


NOT_ACCEPTABLE = [
    "text/html",
    "application/jsonx",
    "application/problem+json",
    "application/json;q=0",
    "*/*;q=0",
    "text/*, image/png",
    "application/json;q=0, application/x-ndjson;q=0, */*",
    "application/json; q=x",
]
ACCEPTABLE = [
    "",
    "*/*",
    "application/*",
    "application/json",
    "APPLICATION/JSON",
    "text/html, application/json;q=0.1",
    "text/html;q=0.9,*/*;q=0.1",
    "application/*;q=0, application/json",
]


@pytest.mark.parametrize("accept", NOT_ACCEPTABLE)
def test_accept_that_rules_json_out_is_406(client: httpx.Client, accept: str) -> None:
    for method, path in (("GET", TASK), ("POST", "/v1/tasks"), ("PATCH", TASK)):
        response = client.request(method, path, json={"title": "x"}, headers={"Accept": accept})
        problem(response, 406, "not-acceptable")
    assert client.get("/v1/tasks").json()["items"] == []


@pytest.mark.parametrize("accept", ACCEPTABLE)
def test_accept_that_admits_json(client: httpx.Client, accept: str) -> None:
    assert client.get("/v1/tasks", headers={"Accept": accept}).status_code == 200


def test_accept_in_several_lines_is_one_list(client: httpx.Client) -> None:
    lines = [("Accept", "text/html"), ("Accept", "application/json")]
    assert client.get("/v1/tasks", headers=lines).status_code == 200
    assert client.get("/v1/tasks", headers=[("Accept", "text/html"), ("Accept", "application/x-ndjson")]).text == ""


PATHS = [
    "/nope",
    "/v1",
    "/v2/tasks",
    "/v1/tasks/1",
    "/v1/tasks/not-a-uuid",
    "/v1/tasks/01890000-0000-7000-8000-00000000000",
    "/v1/tasks/%00",
    "/v1/tasks/%FF",
    "/v1/tasks/..%2F..",
    "/v1/tasks/batch/x",
    TASK + "/nope",
    "/health",
    "/%00",
    "/\N{PILE OF POO}",
    "/docs/assets/nope.js",
    "/docs/assets/..%2f..%2f..%2f..%2f__init__.py",
    "/problems/nope",
    "/v1//tasks",
    "//v1/tasks",
    f"{TASK}//history",
    "/board//main.js",
]


@pytest.mark.parametrize("path", PATHS)
def test_an_unknown_path_is_a_problem(client: httpx.Client, path: str) -> None:
    problem(client.get(path), 404, "not-found")


@pytest.mark.parametrize("call", ["claim", "pulse", "complete", "fail", "requeue", "cancel", "delete", "batch"])
def test_a_path_without_its_id_is_not_the_call_for_many_tasks(client: httpx.Client, call: str) -> None:
    new_task(client, title="Somebody else's")
    body = {"worker": "w", "ttl_s": 60, "token": str(uuid4()), "filter": {"status": "open"}}
    problem(client.post(f"/v1/tasks//{call}", json=body), 404, "not-found")
    assert client.get("/v1/tasks").json()["items"][0]["version"] == 1


@pytest.mark.parametrize("path", ["/v1/tasks//", "/v1/queues//"])
def test_a_path_that_ends_in_an_empty_segment_is_not_the_list(service: Service, path: str) -> None:
    headers = {"Authorization": f"Bearer {service.key}"}
    assert httpx.get(f"{service.url}{path}", headers=headers).status_code == 404


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_an_unknown_task_is_named(client: httpx.Client, method: str) -> None:
    body = problem(client.request(method, TASK, json={"title": "x"} if method == "PATCH" else None), 404, "not-found")
    assert str(UUID(TASK[-36:])) in body["detail"]


RAW = [b"GET /\xc3\xa9 HTTP/1.1", b"NONSENSE / HTTP/1.1", b"GET / HTTP/9.9", b"GET", b"\x16\x03\x01\x02\x00"]


@pytest.mark.parametrize("line", RAW, ids=repr)
def test_what_is_not_http_is_400_and_closed(service: Service, line: bytes) -> None:
    with socket.create_connection(("127.0.0.1", service.port), 5) as connection:
        connection.sendall(line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")

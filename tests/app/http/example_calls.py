"""Makes the calls whose answers are the examples of the OpenAPI document."""

import contextlib
import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg

from tests.support.raw import connected, exchange
from tests.support.service import Service

Json = dict[str, Any]

SHOWN_HEADERS = (
    "X-Request-ID",
    "Retry-After",
    "WWW-Authenticate",
    "ETag",
    "Location",
    "Link",
    "Idempotency-Replayed",
    "Accept-Patch",
    "Preference-Applied",
    "Allow",
)
PROBLEM = "application/problem+json"
NOBODY = "01981b1e-4d1c-7bd3-a0a5-6a1d9f4c2b10"
"""An id that no task has."""
FINISHED = {"status": "done", "due_before": "2026-01-31T12:00:00Z"}


class Recorder:
    """Sends calls by the name of their operation, and keeps what they gave."""

    def __init__(self, client: httpx.Client, document: Json) -> None:
        self._client = client
        self._operations = {
            operation["operationId"]: (method.upper(), path, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }
        self.operations: Json = {name: {"parameters": {}, "calls": []} for name in self._operations}
        self.problems: Json = {}

    def call(
        self,
        operation: str,
        name: str,
        /,
        *,
        query: Json | None = None,
        headers: Json | None = None,
        body: Any = None,
        **path: str,
    ) -> Json:
        """Send a call and return the body of the answer; keep it as the example `name`, or by its type if it failed."""
        method, template, described = self._operations[operation]
        content = None if body is None else json.dumps(body).encode()
        sent = {**({"Content-Type": "application/json"} if content else {}), **(headers or {})}
        response = self._client.request(method, template.format(**path), params=query, headers=sent, content=content)
        known = {parameter["name"] for parameter in described.get("parameters", ())}
        given = {**path, **(query or {}), **{name: value for name, value in sent.items() if name in known}}
        parameters = self.operations[operation]["parameters"]
        if response.status_code < 400:
            self.operations[operation]["parameters"] = {**given, **parameters}
        call = kept(response, name)
        if body is not None and response.status_code < 400:
            call["request"] = body
        if call["name"]:
            self.operations[operation]["calls"].append(call)
        answer: Json = response.json() if "json" in call["media_type"] else {}
        return answer

    def refuse_other_bodies(self) -> None:
        """Send each call that takes a body a wrong one, unless one was sent already."""
        for name, (_, path, described) in self._operations.items():
            if "requestBody" in described and not any(call["status"] == 400 for call in self.operations[name]["calls"]):
                where = dict.fromkeys(re.findall(r"\{(\w+)\}", path), NOBODY)
                self.refused(name, "invalid-request", body={"wroker": "printer-1"}, **where)

    def problem(self, response: httpx.Response) -> None:
        """Keep an error that is the same for many operations."""
        call = kept(response, "")
        self.problems[call["name"]] = call

    def refused(self, operation: str, problem: str, /, **call: Any) -> None:
        """Send a call that answers with this problem, and keep that."""
        self.call(operation, problem, **call)
        last = self.operations[operation]["calls"][-1]
        assert last["name"] == problem, (operation, last)


def kept(response: httpx.Response, name: str) -> Json:
    """Return what the document shows of a response; a problem is called by its type."""
    media_type = response.headers.get("content-type", "").partition(";")[0]
    body: Any = response.json() if media_type in ("application/json", PROBLEM) else response.text
    return {
        "name": body["type"].removeprefix("/problems/") if media_type == PROBLEM else name,
        "status": response.status_code,
        "media_type": media_type,
        "headers": {header: response.headers[header] for header in SHOWN_HEADERS if header in response.headers},
        "body": body,
    }


def raw_response(answer: bytes) -> httpx.Response:
    """Return the first response of what the service sent."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
    return httpx.Response(int(lines[0].split()[1]), headers=headers, content=body)


def record_tasks(recorder: Recorder) -> tuple[Json, Json]:
    """Record the calls about single tasks and their list; return two tasks, the second of which has a unique key."""
    labels = {"title": "Print the labels of order 1093", "labels": ["print"], "payload": {"order": 1093, "copies": 2}}
    key = {"Idempotency-Key": "order-1093-labels"}
    task = recorder.call("createTask", "A task with a label and a payload", headers=key, body=labels)
    recorder.call("createTask", "Only a title", body={"title": "Count the stock"})
    nightly = {
        "title": "Close the books of January",
        "description": "Export all invoices, then send the totals to the accountants.",
        "priority": "high",
        "assignee": "ada",
        "labels": ["books", "monthly"],
        "due_at": "2026-02-03T18:00:00Z",
        "run_after": "2026-02-01T02:00:00Z",
        "max_attempts": 5,
        "retry": {"backoff_s": 60, "factor": 2, "max_s": 3600},
        "unique_key": "books-2026-01",
    }
    recorder.call("createTask", "Every field", body=nightly)
    recorder.call("createTask", "The task with this unique key exists", body=nightly)
    recorder.refused("createTask", "invalid-request", body={"title": "", "priority": "asap"})
    recorder.refused("createTask", "idempotency-key-reused", headers=key, body={"title": "Another task"})
    batch = {"tasks": [{"title": "Count stock"}, {"title": "Order paper", "unique_key": "paper"}]}
    recorder.call("createTasks", "Two tasks", headers={"Idempotency-Key": "monday-7f1c"}, body=batch)
    [paper] = recorder.call(
        "createTasks", "All of them exist", body={"tasks": [{"title": "Order paper", "unique_key": "paper"}]}
    )["items"]
    recorder.refused("createTasks", "invalid-request", body={"tasks": [{"title": "Count stock"}, {"title": ""}]})
    recorder.call("getTask", "A task", task_id=task["id"], headers={})
    recorder.call("getTask", "Not modified", task_id=task["id"], headers={"If-None-Match": '"1"'})
    recorder.refused("getTask", "not-found", task_id=NOBODY)
    where = {"task_id": task["id"]}
    patch = {"priority": "urgent", "description": None, "payload": {"copies": 3}}
    recorder.call("updateTask", "Some fields", body=patch, headers={"If-Match": '"1"'}, **where)
    recorder.call(
        "updateTask", "Not if it is at version 1", body={"assignee": "ada"}, headers={"If-None-Match": '"1"'}, **where
    )
    recorder.refused(
        "updateTask", "precondition-failed", body={"assignee": "grace"}, headers={"If-Match": '"1"'}, **where
    )
    recorder.refused("updateTask", "invalid-request", body={"titel": "Print"}, **where)
    recorder.refused("updateTask", "unique-key-held", body={"unique_key": "paper"}, **where)
    recorder.refused("updateTask", "not-found", body={"assignee": "ada"}, task_id=NOBODY)
    recorder.call("getTaskHistory", "The first page", query={"limit": 1}, **where)
    page = recorder.call("getTaskHistory", "The next pages", query={"limit": 2}, **where)
    recorder.call("getTaskHistory", "The last page", query={"cursor": page["next_cursor"]}, **where)
    recorder.refused("getTaskHistory", "not-found", task_id=NOBODY)
    return task, paper


def record_list(recorder: Recorder) -> None:
    """Record lists; together they have every parameter."""
    page = recorder.call("listTasks", "A page", query={"limit": 2, "sort": "-created_at", "count": "true"})
    recorder.call(
        "listTasks", "The next page", query={"limit": 2, "cursor": page["next_cursor"], "sort": "-created_at"}
    )
    filters = {
        "status": ["open", "in_progress"],
        "priority": ["high", "urgent"],
        "label": ["print"],
        "overdue": "false",
    }
    recorder.call("listTasks", "Urgent work that is not overdue", query={**filters, "lease": "none", "ready": "true"})
    times = dict.fromkeys(("due_after", "created_after", "updated_after", "run_after_after"), "2026-01-31T12:00:00Z")
    later = dict.fromkeys(("due_before", "created_before", "run_after_before"), "2036-01-31T12:00:00Z")
    recorder.call("listTasks", "By times", query={**times, **later, "assignee": ["ada"], "q": "books or invoices"})
    ndjson = {"Accept": "application/x-ndjson"}
    recorder.call("listTasks", "All tasks with a label", query={"label": ["print"]}, headers=ndjson)
    recorder.refused("listTasks", "invalid-request", query={"limit": 500, "state": "open"})


def record_leases(recorder: Recorder, task: Json, paper: Json) -> None:
    """Record a worker's calls on a task, one by one; `paper` is another task, with a unique key."""
    worker = {"worker": "printer-1", "ttl_s": 60}
    where = {"task_id": task["id"]}
    key = {"Idempotency-Key": "printer-1-claim-17"}
    token = recorder.call("claimTask", "A minute", body=worker, headers=key, **where)["lease"]["token"]
    recorder.call("claimTask", "The same claim again", body=worker, headers=key, **where)
    recorder.refused("claimTask", "task-claimed", body={"worker": "printer-2", "ttl_s": 60}, **where)
    recorder.refused("claimTask", "not-found", body=worker, task_id=NOBODY)
    recorder.refused("updateTask", "task-claimed", body={"status": "done"}, **where)
    recorder.refused("deleteTask", "task-claimed", **where)
    recorder.refused("requeueTask", "task-claimed", **where)
    beat = {"token": token, "progress": 40, "note": "page 4 of 10"}
    recorder.call("pulseTask", "With progress", body=beat, **where)
    recorder.call("getLease", "A live lease", **where)
    recorder.refused("getLease", "not-found", task_id=NOBODY)
    filters = {"state": "live", "worker": ["printer-1"], "label": ["print"], "limit": 50}
    recorder.call("listLeases", "Live leases of a worker", query=filters)
    ends = {"completeTask": {}, "failTask": {"error": "out of paper"}, "releaseTask": {}, "pulseTask": {}}
    for operation, more in ends.items():
        recorder.refused(operation, "lease-lost", body={"token": str(uuid.UUID(int=7)), **more}, **where)
        recorder.refused(operation, "not-found", body={"token": token, **more}, task_id=NOBODY)
    done = {"token": token, "result": {"pages": 10}}
    recorder.call("completeTask", "With a result", body=done, headers={"Idempotency-Key": "printer-1-end-17"}, **where)
    for operation, more in ends.items():
        if operation != "pulseTask":
            recorder.refused(operation, "task-finished", body={"token": str(uuid.UUID(int=7)), **more}, **where)
    recorder.refused("claimTask", "task-finished", body=worker, **where)
    recorder.refused("updateTask", "task-finished", body={"run_after": "2026-02-01T02:00:00Z"}, **where)
    recorder.refused("claimTask", "lease-lost", body=worker, headers=key, **where)
    recorder.call("requeueTask", "Do it again", headers={"Idempotency-Key": "requeue-17"}, **where)
    recorder.refused("requeueTask", "not-found", task_id=NOBODY)
    held = recorder.call("claimTask", "A short lease", body={"worker": "printer-1", "ttl_s": 10}, **where)["lease"]
    failure = {"token": held["token"], "error": "the printer is out of paper", "retry_in_s": 60}
    recorder.call("failTask", "Try again in a minute", body=failure, headers={"Idempotency-Key": "fail-17"}, **where)
    later = {"title": "Close the books of 2036", "run_after": "2036-12-31T02:00:00Z"}
    waiting = recorder.call("createTask", "Not before a time", body=later)
    recorder.refused("claimTask", "task-not-ready", body=worker, task_id=waiting["id"])
    recorder.call("requeueTask", "", **where)
    held = recorder.call("claimTask", "", body={"worker": "printer-1", "ttl_s": 600}, **where)["lease"]
    give_back = {"Idempotency-Key": "release-17"}
    recorder.call("releaseTask", "Give it back", body={"token": held["token"]}, headers=give_back, **where)
    recorder.call("updateTask", "Done by a person", body={"status": "done"}, task_id=paper["id"])
    other = recorder.call("createTask", "", body={"title": "Order paper", "unique_key": "paper"})
    recorder.refused("requeueTask", "unique-key-held", task_id=paper["id"])
    unchanged = {"If-Match": '"1"', "If-None-Match": '"2"'}
    recorder.call("deleteTask", "If nobody changed it", task_id=other["id"], headers=unchanged)
    recorder.refused("deleteTask", "not-found", task_id=other["id"])
    recorder.refused("deleteTask", "precondition-failed", task_id=task["id"], headers={"If-Match": '"1"'})


def record_many(recorder: Recorder) -> None:
    """Record calls about many tasks at once."""
    take = {"worker": "printer-1", "ttl_s": 60, "labels": ["print"], "limit": 2}
    waiting = {"Prefer": "wait=20", "Idempotency-Key": "printer-1-claim-18"}
    recorder.call("createTask", "", body={"title": "Print the labels of order 1094", "labels": ["print"]})
    claimed = recorder.call("claimTasks", "Wait for two tasks", body=take, headers=waiting)["items"]
    recorder.call("claimTasks", "Nothing to claim", body=take)
    page = recorder.call("listLeases", "A page", query={"limit": 1})
    recorder.call("listLeases", "The next page", query={"limit": 1, "cursor": page["next_cursor"]})
    first, second = ({"id": item["task"]["id"], "token": item["lease"]["token"]} for item in claimed)
    beats = {"items": [{**first, "progress": 40, "note": "page 4 of 10"}, second]}
    recorder.call("pulseTasks", "Two heartbeats", body=beats)
    failures = {"items": [{**second, "error": "the file is empty"}]}
    recorder.call("failTasks", "One failure", body=failures, headers={"Idempotency-Key": "fail-18"})
    ends = {"items": [{**first, "result": {"pages": 10}}, second]}
    recorder.call("completeTasks", "One is done, one is lost", body=ends, headers={"Idempotency-Key": "end-18"})
    finished = {"filter": {"status": ["done", "failed"], "label": "print"}, "limit": 100}
    recorder.call("requeueTasks", "By a filter", body=finished, headers={"Idempotency-Key": "requeue-18"})
    ids = {"ids": [first["id"], second["id"], NOBODY]}
    recorder.call("cancelTasks", "By ids", body=ids, headers={"Idempotency-Key": "cancel-18"})
    recorder.call("deleteTasks", "What it would delete", body={"filter": {"status": "done"}, "dry_run": True})
    old = {"filter": {"status": ["done", "cancelled"], "created_before": "2036-01-31T12:00:00Z"}}
    recorder.call("deleteTasks", "Old tasks", body=old, headers={"Idempotency-Key": "delete-18"})


def record_queues(recorder: Recorder) -> None:
    """Record the rules of queues, and what they refuse."""
    rules = {"max_leases": 5, "ready_within_s": 3600}
    recorder.call("putQueue", "Five leases", body=rules, label="print", headers={"If-None-Match": "*"})
    recorder.call("putQueue", "Pause it", body={**rules, "paused": True}, label="print", headers={"If-Match": '"1"'})
    recorder.refused("putQueue", "precondition-failed", body=rules, label="print", headers={"If-Match": '"1"'})
    recorder.refused("putQueue", "invalid-request", body={"max_leases": -1}, label="print")
    recorder.refused("putQueue", "not-found", body=rules, label="print/a4")
    recorder.call("getQueue", "A queue", label="print", headers={})
    recorder.call("getQueue", "Not modified", label="print", headers={"If-None-Match": '"2"'})
    recorder.refused("getQueue", "not-found", label="scan")
    task = recorder.call("createTask", "", body={"title": "Print an invoice", "labels": ["print"]})
    worker = {"worker": "printer-1", "ttl_s": 60}
    recorder.refused("claimTask", "queue-paused", body=worker, task_id=task["id"])
    recorder.call("putQueue", "No leases", body={"max_leases": 0}, label="print")
    recorder.refused("claimTask", "queue-full", body=worker, task_id=task["id"])
    recorder.call("listQueues", "The first label", query={"limit": 1})
    page = recorder.call("listQueues", "Two labels", query={"limit": 2})
    recorder.call("listQueues", "The last page", query={"cursor": page["next_cursor"]})
    recorder.refused("deleteQueue", "precondition-failed", label="print", headers={"If-Match": '"1"'})
    unchanged = {"If-Match": '"3"', "If-None-Match": '"4"'}
    recorder.call("deleteQueue", "If nobody changed it", label="print", headers=unchanged)
    recorder.refused("deleteQueue", "not-found", label="print")


@contextlib.contextmanager
def _locked(database: psycopg.Connection, table: str, mode: str) -> Iterator[None]:
    with database.transaction():
        database.execute(f"lock table {table} in {mode} mode".encode())
        yield


def record_problems(recorder: Recorder, service: Service, weak: str, database: psycopg.Connection) -> None:
    """Record what every call may answer with; `weak` is a key without scopes for tasks."""
    headers = {"Authorization": f"Bearer {service.key}", "Content-Type": "application/json"}
    limits = httpx.Limits(max_connections=None)
    with httpx.Client(base_url=service.url, headers=headers, limits=limits, timeout=60) as client:

        def keep(method: str, path: str, **call: Any) -> None:
            recorder.problem(client.request(method, path, **call))

        keep("GET", "/v1/tasks", params={"limit": 500})
        keep("POST", "/v1/tasks", content=b'{"title": "Count stock", "title": "Order paper"}')
        keep("GET", "/v1/tasks", headers={"Authorization": "Bearer nonsense"})
        keep("POST", "/v1/tasks", headers={"Authorization": f"Bearer {weak}"}, content=b'{"title": "Count stock"}')
        keep("GET", "/v1/tasks", headers={"Accept": "text/html"})
        keep("PUT", "/v1/tasks")
        keep("POST", "/v1/tasks", content=b" " * (1024 * 1024 + 1))
        keep("POST", "/v1/tasks", content=b"title=x", headers={"Content-Type": "application/x-www-form-urlencoded"})
        key = {"Idempotency-Key": "order-1094"}
        client.post("/v1/tasks", json={"title": "Count stock"}, headers=key).raise_for_status()
        keep("POST", "/v1/tasks", json={"title": "Order paper"}, headers=key)
        with _locked(database, "idempotency_keys", "exclusive"):
            keep("POST", "/v1/tasks", json={"title": "Order paper"}, headers={"Idempotency-Key": "order-1095"})
        with _locked(database, "tasks", "access exclusive"):
            keep("GET", f"/v1/tasks/{NOBODY}")
        database.execute("alter table tasks rename to tasks_that_are_away")
        keep("GET", f"/v1/tasks/{NOBODY}")
        database.execute("alter table tasks_that_are_away rename to tasks")
        with contextlib.ExitStack() as streams:
            for _ in range(100):
                streams.enter_context(client.stream("GET", "/v1/events"))
            keep("GET", "/v1/events")
    fields = b"".join(b"X-Field-%d: %s\r\n" % (number, b"x" * 900) for number in range(50))
    for request in (
        b"GET /v1/tasks HTTP/1.1\r\n\r\n",
        b"GET /v1/tasks HTTP/1.1\r\nHost: localhost\r\n" + fields + b"\r\n",
    ):
        recorder.problem(raw_response(exchange(service, request)))


def record_service(recorder: Recorder, service: Service) -> None:
    """Record the service itself, its pages, figures and events."""
    recorder.call("describeService", "Outside of an image")
    recorder.call("checkLive", "Alive")
    recorder.call("checkReady", "Ready")
    recorder.call("listProblems", "All types")
    recorder.call("explainProblem", "One type", name="not-found")
    recorder.refused("explainProblem", "not-found", name="no-such-problem")
    recorder.call("getLimits", "Nothing in use")
    recorder.call("getKey", "A key for everything")
    recorder.call("getStats", "After a short time")
    recorder.call("scrapeMetrics", "A part of the metrics")
    stats, metrics = (recorder.operations[name]["calls"][0] for name in ("getStats", "scrapeMetrics"))
    stats["body"]["minutes"] = stats["body"]["minutes"][-2:]
    lines = [line for line in metrics["body"].splitlines() if "taskpulse_tasks" in line or "taskpulse_claims" in line]
    metrics["body"] = "\n".join(lines[:12]) + "\n"
    record_events(recorder, service)


def record_events(recorder: Recorder, service: Service) -> None:
    """Record the beginning of a stream, with every parameter."""
    headers = {"Authorization": f"Bearer {service.key}"}
    filters = {"action": ["claimed"], "status": ["in_progress"]}
    with (
        httpx.Client(base_url=service.url, headers=headers, timeout=10) as client,
        client.stream("GET", "/v1/events", params={"after": "0", **filters}) as response,
    ):
        lines = response.iter_lines()
        block: list[str] = []
        while not (block and block[-1].startswith("data: ")):
            line = next(lines)
            block = [*block, line] if line.startswith(("id: ", "data: ")) else []
        call: Json = {"name": "An event", "status": 200, "media_type": "text/event-stream", "headers": {}}
        call["headers"] = {"X-Request-ID": response.headers["x-request-id"]}
        call["body"] = "\n".join(block) + "\n\n"
    event = json.loads(block[-1].removeprefix("data: "))
    recorder.operations["streamEvents"] = {
        "parameters": {
            "after": "0",
            "task": [event["task_id"]],
            "assignee": ["ada"],
            "label": ["print"],
            **filters,
            "Last-Event-ID": block[0].removeprefix("id: "),
        },
        "calls": [call],
    }
    recorder.refused("streamEvents", "invalid-request", headers={"Last-Event-ID": "1093"})


def record_slow_body(service: Service) -> httpx.Response:
    """Return the answer to a request whose body never comes."""
    head = f"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {service.key}\r\n"
    with connected(service) as connection:
        connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return raw_response(answer)

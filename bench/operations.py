"""What is measured: the requests of each operation, and the same statements for pgbench."""

import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import psycopg

from app.leases import store as leases
from app.leases.model import Pulse
from app.postgres.statements import sql
from app.tasks import store as tasks
from app.tasks import update
from app.tasks.model import NewTask
from app.tasks.query import TaskQuery

Request = tuple[str, str, Any]
"""Method, path and, where there is one, body."""

NEW = {
    "title": "Rotate the signing key of the gateway",
    "description": "The old one expires soon; see the runbook for who has to be told.",
    "priority": "high",
    "assignee": "user7",
    "labels": ["ops", "security"],
    "due_at": "2027-01-31T12:00:00Z",
    "payload": {"host": "gw-3", "retries": 2},
}
CLAIM = {"worker": "bench", "ttl_s": 600}
OPEN_TASKS = 40_000
"""At least so many wait when claims are measured."""


class Sample:
    """Some of the tasks and all leases, in an order that chance gave them."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.tasks = [str(row[0]) for row in connection.execute("select id from numbered order by n limit 20000")]
        self.leases = [(str(row[0]), str(row[1])) for row in connection.execute("select task_id, token from leases")]


@dataclass(frozen=True)
class Operation:
    """One row of the table."""

    name: str
    requests: Callable[[Sample], Sequence[Request]]
    script: str = ""
    """The same for pgbench."""
    rate: int = 0
    """Requests a second at which latency is measured; 0: it is not."""
    adds_tasks: bool = False
    takes_tasks: bool = False

    def targets(self, sample: Sample, url: str, key: str) -> bytes:
        """Return the requests in vegeta's JSON format, a line each."""
        headers = {"Authorization": [f"Bearer {key}"]}
        lines = []
        for method, path, body in self.requests(sample):
            target: dict[str, Any] = {"method": method, "url": url + path, "header": headers}
            if body is not None:
                target |= {
                    "header": headers | {"Content-Type": ["application/json"]},
                    "body": msgspec.json.encode(body),
                }
            lines.append(msgspec.json.encode(target))
        return b"\n".join(lines) + b"\n"


def wanted(name: str, parts: Sequence[str]) -> bool:
    """Say whether a name holds one of these parts; every name holds the empty one."""
    return any(part in name for part in parts)


def _changes(sample: Sample) -> list[Request]:
    return [("PATCH", f"/v1/tasks/{task}", {"title": f"Changed {random.random()}"}) for task in sample.tasks * 2]


def _filtered(_: Sample) -> list[Request]:
    paths = [
        "status=open",
        *(f"status=done&assignee=user{n}" for n in range(20)),
        *(f"label=label{n}" for n in range(20)),
    ]
    return [("GET", f"/v1/tasks?{path}", None) for path in paths]


def _pulses(sample: Sample) -> list[Request]:
    return [("POST", f"/v1/tasks/{task}/pulse", {"token": token, "progress": 40}) for task, token in sample.leases]


_CALLER = "0" * 12
_TASK, _TOKEN = uuid.UUID(int=1), uuid.UUID(int=2)
_PULSES = leases._to_recordset([leases.PulseCall(_TASK, Pulse(str(_TOKEN), 40), "")])
_CHANGES = update._to_recordset([update.TaskChange(_TASK, _CALLER, {"title": "any text"}, None)])
LITERALS = {
    "task": f"'{_TASK.hex}'::uuid",
    "tasks": f"'{{{_TASK.hex}}}'::uuid[]",
    "token": f"'{_TOKEN.hex}'::uuid",
    "changes": f"'{_CHANGES}'",
    "pulses": f"'{_PULSES}'",
}


def operations(conninfo: str) -> list[Operation]:
    """Return all operations, in the order of the table."""
    connection = psycopg.connect(conninfo, cursor_factory=psycopg.ClientCursor)

    def script(statement: Any, values: dict[str, Any], **variables: str) -> str:
        """Return a statement of the service with these values; `variables` replace the literals named."""
        text = connection.cursor().mogrify(statement, values)  # type: ignore[attr-defined]
        text = text.replace("HH24:MI:SS", 'HH24":"MI":"SS')  # to pgbench, :MI is a variable
        for name, variable in variables.items():
            literal = LITERALS[name]
            if literal not in text:
                raise ValueError(f"{literal} does not stand in: {text}")
            text = text.replace(literal, variable)
        return text

    def listing(filters: dict[str, Any]) -> str:
        statement, values = TaskQuery(filters, "-created_at").statement(51, None)
        return script(statement, values) + ";\n"

    anyone = "\\set n random(1, 100000)\n"
    task = "(select numbered.id from numbered where n = :n)"
    new = msgspec.json.encode([msgspec.json.decode(msgspec.json.encode(NEW), type=NewTask)]).decode()
    claim = {"actor": _CALLER, **CLAIM}
    completion = {"id": _TASK, "actor": _CALLER, "token": _TOKEN, "result": '{"pages":10}'}
    pulse = {"ids": tasks.array([_TASK]), "calls": _PULSES}
    return [
        Operation("empty route", lambda _: [("GET", "/health/live", None)]),
        Operation(
            "read one",
            lambda sample: [("GET", f"/v1/tasks/{task}", None) for task in sample.tasks],
            anyone + script(tasks.GET, {"ids": tasks.array([_TASK])}, tasks=f"array[{task}]") + ";\n",
            rate=300,
        ),
        Operation("list 50", lambda _: [("GET", "/v1/tasks", None)], listing({}), rate=200),
        Operation("filtered list", _filtered, listing({"status": ["done"], "assignee": ["user5"]})),
        Operation(
            "full text",
            lambda _: [("GET", f"/v1/tasks?q=word{n}", None) for n in range(100, 400)],
            listing({"q": "word200"}),
        ),
        Operation(
            "create",
            lambda _: [("POST", "/v1/tasks", NEW)],
            script(tasks.INSERT, {"actors": [_CALLER], "tasks": new}) + ";\n",
            rate=200,
            adds_tasks=True,
        ),
        Operation(
            "patch",
            _changes,
            anyone
            + "\\set text random(1, 1000000000)\n"
            + script(
                update._statement(("title",), "skip locked"),
                {"ids": tasks.array([_TASK]), "calls": _CHANGES},
                tasks=f"array[{task}]",
                changes=f"json_build_array(json_build_object('id', {task}, 'actor', '{_CALLER}', 'versions', null,"
                " 'title', 'Changed ' || :text))",
            )
            + ";\n",
            rate=200,
        ),
        Operation(
            "claim + complete",
            lambda _: [("POST", "/v1/tasks/claim", CLAIM)],
            script(leases._claim_statement(1, labelled=False), claim)
            + " \\gset\n"
            + script(
                sql("leases/complete_task"),
                completion,
                task="(:json_build_object::json -> 'task' ->> 'id')::uuid",
                token="(:json_build_object::json -> 'lease' ->> 'token')::uuid",
            )
            + ";\n",
            takes_tasks=True,
        ),
        Operation(
            "pulse",
            _pulses,
            "\\set n random(1, 500)\n"
            + script(
                leases.PULSE,
                pulse,
                tasks="array[(select id from numbered_leases where n = :n)]",
                pulses="(select json_build_array(json_build_object('id', id, 'token', token, 'progress', 40))"
                " from numbered_leases where n = :n)",
            )
            + ";\n",
        ),
    ]

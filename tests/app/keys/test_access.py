"""Who may do what."""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import psycopg
import pytest

from app.keys import admin as keys
from app.keys.authentication import SCOPES
from tests.support.contract import Contract, problem
from tests.support.service import Service

NEEDS = {
    "listTasks": "read",
    "getTask": "read",
    "getTaskHistory": "read",
    "getLease": "read",
    "listLeases": "read",
    "getStats": "read",
    "streamEvents": "read",
    "listQueues": "read",
    "getQueue": "read",
    "putQueue": "write",
    "deleteQueue": "write",
    "createTask": "write",
    "createTasks": "write",
    "updateTask": "write",
    "deleteTask": "write",
    "claimTask": "work",
    "claimTasks": "work",
    "pulseTask": "work",
    "completeTask": "work",
    "failTask": "work",
    "releaseTask": "work",
    "requeueTask": "work",
    "pulseTasks": "work",
    "completeTasks": "work",
    "failTasks": "work",
    "requeueTasks": "work",
    "cancelTasks": "write",
    "deleteTasks": "write",
    "scrapeMetrics": "metrics",
}
"""The scope that each operation needs."""
ANY_KEY = ("getLimits", "getKey")
"""The operations that take every key."""
OPEN = ["describeService", "checkLive", "checkReady", "listProblems", "explainProblem"]


def bearer(token: str) -> dict[str, str]:
    """Return the header that carries a key."""
    return {"Authorization": f"Bearer {token}"}


class Call(NamedTuple):
    method: str
    path: str
    security: Any

    def without_body(self, client: httpx.Client, headers: dict[str, str]) -> httpx.Response:
        """Send the call and read the answer only if it is JSON: the stream of events has no end."""
        with client.stream(self.method, self.path, headers=headers) as response:
            return response


@pytest.fixture
def calls(contract: Contract) -> dict[str, Call]:
    """Every operation of the OpenAPI document, by its id."""
    return {
        operation["operationId"]: Call(
            method.upper(),
            path.replace("{task_id}", "01890000-0000-7000-8000-000000000000").replace("{label}", "print"),
            operation.get("security"),
        )
        for path, methods in contract.document["paths"].items()
        for method, operation in methods.items()
    }


def others(scope: str) -> list[str]:
    return sorted({*SCOPES} - {scope})


@pytest.fixture(scope="module")
def tokens(service: Service) -> Iterator[dict[str, list[str]]]:
    """For each scope, a key that has it alone and a key that has all others."""
    made: dict[str, list[str]] = {
        scope: [keys.create(service.settings, scope, scopes, None) for scopes in ([scope], others(scope))]
        for scope in SCOPES
    }
    yield made
    log = service.log.read_text()
    assert not [token for pair in made.values() for token in pair if token.rpartition("_")[2] in log]


def test_the_document_says_what_every_operation_needs(calls: dict[str, Call]) -> None:
    """Add a new operation to NEEDS, or to OPEN if it needs no key."""
    needed = {name: [{"key": [scope]}] for name, scope in NEEDS.items()} | {key: [{"key": []}] for key in ANY_KEY}
    assert {name: call.security for name, call in calls.items()} == needed | dict.fromkeys(OPEN)


@pytest.mark.parametrize("scope", SCOPES)
def test_any_key_will_do(
    anonymous: httpx.Client, calls: dict[str, Call], tokens: dict[str, list[str]], scope: str
) -> None:
    alone, _ = tokens[scope]
    for name in ANY_KEY:
        assert calls[name].without_body(anonymous, bearer(alone)).status_code == 200


@pytest.mark.parametrize(("name", "scope"), NEEDS.items())
def test_it_works(
    anonymous: httpx.Client, calls: dict[str, Call], tokens: dict[str, list[str]], name: str, scope: str
) -> None:
    alone, _ = tokens[scope]
    assert calls[name].without_body(anonymous, bearer(alone)).status_code in (200, 204, 404, 415)


@pytest.mark.parametrize(("name", "scope"), NEEDS.items())
def test_all_other_scopes_are_not_enough(
    anonymous: httpx.Client, calls: dict[str, Call], tokens: dict[str, list[str]], name: str, scope: str
) -> None:
    """The answer is 403 and not 415: the key is checked before the body."""
    _, beside = tokens[scope]
    response = calls[name].without_body(anonymous, bearer(beside))
    assert response.status_code == 403
    expected = f"This call needs the scope {scope!r}; the key has {', '.join(others(scope))}."
    assert problem(response, 403, "forbidden")["detail"] == expected


@pytest.mark.parametrize("name", [*NEEDS, *ANY_KEY])
def test_without_a_key(anonymous: httpx.Client, calls: dict[str, Call], name: str) -> None:
    response = calls[name].without_body(anonymous, {})
    assert response.status_code == 401
    problem(response, 401, "unauthenticated")
    assert response.headers["www-authenticate"] == 'Bearer realm="taskpulse"'


@pytest.mark.parametrize("path", ["/", "/health/live", "/health/ready", "/docs", "/openapi.json", "/problems"])
def test_what_is_open(anonymous: httpx.Client, path: str) -> None:
    assert anonymous.get(path).status_code == 200


def test_bad_tokens(anonymous: httpx.Client, service: Service) -> None:
    good = service.key
    key_id, secret = good.split("_")[1:]
    wrong = [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        f"Basic {good}",
        f"Bearer {good}x",
        f"Bearer {good[:-1]}",
        f"Bearer {good} x",
        f"Bearer {good.upper()}",
        f"Bearer tp_{key_id}_{'0' * 64}",
        f"Bearer tp_{'0' * 12}_{secret}",
        f"Bearer tp__{secret}",
        f"Bearer tp_{key_id}",
        f"Bearer {secret}",
        f"{good}",
        "Bearer tp_" + "é" * 12 + "_" + "0" * 64,
        "Bearer " + "x" * 8000,
    ]
    for header in wrong:
        response = anonymous.get("/v1/tasks", headers={b"Authorization": header.strip().encode()})
        problem(response, 401, "unauthenticated")
        assert "www-authenticate" in response.headers
        assert secret not in response.text


def test_the_scheme_has_no_case(anonymous: httpx.Client, service: Service) -> None:
    for scheme in ("bearer", "BEARER"):
        assert anonymous.get("/v1/tasks", headers={"Authorization": f"{scheme} {service.key}"}).status_code == 200


def test_an_expired_key(anonymous: httpx.Client, service: Service, database: psycopg.Connection) -> None:
    token = keys.create(service.settings, "short-lived", ("read",), 1)
    assert anonymous.get("/v1/tasks", headers=bearer(token)).status_code == 200
    expired = keys.create(service.settings, "expired", ("read",), 1)
    key_id = expired.split("_")[1]
    database.execute("update api_keys set expires_at = now() - interval '1 s' where id = %s", (key_id,))
    deadline = time.monotonic() + 30
    while (response := anonymous.get("/v1/tasks", headers=bearer(expired))).status_code == 200:
        assert time.monotonic() < deadline, "the service may have read the key before it expired, but reads it again"
    assert "expired at" in problem(response, 401, "unauthenticated")["detail"]


def test_a_revoked_key_is_refused_within_ten_seconds(anonymous: httpx.Client, service: Service) -> None:
    token = keys.create(service.settings, "to be revoked", ("read",), None)
    assert anonymous.get("/v1/tasks", headers=bearer(token)).status_code == 200
    assert keys.revoke(service.settings, token) == "to be revoked"
    revoked = sent = time.monotonic()
    while (response := anonymous.get("/v1/tasks", headers=bearer(token))).status_code == 200:
        assert sent < revoked + 10
        time.sleep(0.1)
        sent = time.monotonic()
    problem(response, 401, "unauthenticated")


def test_a_secret_is_stored_as_a_hash_only(service: Service, database: psycopg.Connection) -> None:
    secret = service.key.rpartition("_")[2]
    rows = database.execute("select k::text, length(secret_sha256) from api_keys k").fetchall()
    assert rows
    assert all(secret not in row and length == 32 for row, length in rows)


def test_a_key_never_appears_in_a_log(anonymous: httpx.Client, service: Service) -> None:
    secret = service.key.rpartition("_")[2]
    anonymous.get("/v1/tasks", headers=bearer(service.key))
    anonymous.get(f"/v1/tasks?key={service.key}", headers=bearer(service.key))
    anonymous.get("/v1/tasks", headers=bearer(service.key + "x"))
    assert service.key.split("_")[1] in service.log.read_text(), "the key's id is there"
    assert secret not in service.log.read_text()

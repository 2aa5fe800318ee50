"""Who may do what."""

import time
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from app.keys import admin as keys
from tests.support.contract import problem
from tests.support.service import Service

TASK = "/v1/tasks/01890000-0000-7000-8000-000000000000"
CALLS = [
    ("GET", "/v1/tasks", "read"),
    ("GET", TASK, "read"),
    ("POST", "/v1/tasks", "write"),
    ("POST", "/v1/tasks/batch", "write"),
    ("PATCH", TASK, "write"),
    ("DELETE", TASK, "write"),
    ("GET", "/metrics", "metrics"),
]
SCOPES = ("read", "write", "work", "metrics")


def bearer(token: str) -> dict[str, str]:
    """Return the header that carries a key."""
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def tokens(service: Service) -> Iterator[dict[str, str]]:
    """A key for each scope alone."""
    made = {scope: keys.create(service.settings, scope, (scope,), None) for scope in SCOPES}
    yield made
    assert not [token for token in made.values() if token.rpartition("_")[2] in service.log.read_text()]


@pytest.mark.parametrize("call", CALLS)
def test_it_works(anonymous: httpx.Client, tokens: dict[str, str], call: tuple[str, str, str]) -> None:
    method, path, scope = call
    for other in SCOPES:
        response = anonymous.request(method, path, headers=bearer(tokens[other]))
        if other == scope:
            assert response.status_code in (200, 404, 415)
        else:
            body = problem(response, 403, "forbidden")
            assert body["detail"] == f"This call needs the scope {scope!r}; the key has {other}."


@pytest.mark.parametrize(("method", "path", "scope"), CALLS)
def test_without_a_key(anonymous: httpx.Client, method: str, path: str, scope: str) -> None:
    del scope
    response = anonymous.request(method, path)
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
    body = problem(anonymous.get("/v1/tasks", headers=bearer(expired)), 401, "unauthenticated")
    assert "expired at" in body["detail"]


def test_a_revoked_key_is_refused_within_ten_seconds(anonymous: httpx.Client, service: Service) -> None:
    token = keys.create(service.settings, "to be revoked", ("read",), None)
    assert anonymous.get("/v1/tasks", headers=bearer(token)).status_code == 200
    assert keys.revoke(service.settings, token) == "to be revoked"
    revoked = time.monotonic()
    while (response := anonymous.get("/v1/tasks", headers=bearer(token))).status_code == 200:
        assert time.monotonic() < revoked + 10
        time.sleep(0.1)
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

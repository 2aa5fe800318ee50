"""What answers tell browsers, and what a proxy in front of the service may say."""

from collections.abc import Iterator

import httpx
import pytest

from app.dev.postgres import EmbeddedPostgres
from tests.app.http.test_logs import line_of
from tests.support.raw import exchange
from tests.support.service import Service, fresh_database

PAGES = [
    "/docs",
    "/docs/assets/swagger-ui.css",
    "/docs/guides",
    "/docs/guides/errors",
    "/problems",
    "/problems/not-found",
    "/favicon.svg",
]
DATA = ["/", "/health/live", "/openapi.json", "/nope", "/v1/tasks", "/metrics"]


@pytest.mark.parametrize("path", PAGES + DATA)
def test_no_page_is_framed_or_guessed_at(anonymous: httpx.Client, path: str) -> None:
    response = anonymous.get(path)
    assert response.headers.get_list("x-content-type-options") == ["nosniff"]
    [policy] = response.headers.get_list("content-security-policy")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "strict-transport-security" not in response.headers


def test_refusals_too(service: Service) -> None:
    answer = exchange(service, b"NONSENSE\r\n\r\n")
    assert b"x-content-type-options: nosniff" in answer
    assert b"frame-ancestors 'none'" in answer


def test_the_documentation_forgets_the_key(anonymous: httpx.Client) -> None:
    assert "persistAuthorization" not in anonymous.get("/docs").text


@pytest.mark.parametrize("name", ["%00", "x" * 300, "%FF", "%2e%2e%2fx", "swagger-ui.css%00", "nope.js"])
def test_a_file_that_is_not_there_is_404_and_counted(anonymous: httpx.Client, service: Service, name: str) -> None:
    labels = {"status_code": "404", "path": "-"}
    before = service.metric("http_requests_total", **labels) or 0
    assert anonymous.get(f"/docs/assets/{name}").status_code == 404
    assert service.metric("http_requests_total", **labels) == before + 1


@pytest.fixture(scope="module")
def behind(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that trusts what loopback says of its clients."""
    log = tmp_path_factory.mktemp("behind") / "log"
    with Service(fresh_database(postgres), log, {"TRUSTED_PROXIES": "10.0.0.0/8, 127.0.0.1/32"}) as running:
        yield running


FORWARDED = [
    ("203.0.113.7, 198.51.100.1", "203.0.113.7"),
    ("192.0.2.9, 203.0.113.7,198.51.100.1", "203.0.113.7"),
    ("2001:db8::1, 198.51.100.1", "2001:db8::1"),
    ("203.0.113.7", "203.0.113.7"),
    ("nonsense, 198.51.100.1", "127.0.0.1"),
    ("", "127.0.0.1"),
]


@pytest.mark.parametrize(("forwarded", "client"), FORWARDED)
def test_a_trusted_proxy_names_the_client(behind: Service, forwarded: str, client: str) -> None:
    response = httpx.get(f"{behind.url}/", headers={"X-Forwarded-For": forwarded})
    assert line_of(behind, response.headers["x-request-id"])["client"] == client


def test_a_trusted_proxy_says_https(behind: Service) -> None:
    by_https = httpx.get(f"{behind.url}/", headers={"X-Forwarded-Proto": "https"})
    assert by_https.headers["strict-transport-security"].startswith("max-age=")
    by_http = httpx.get(f"{behind.url}/", headers={"X-Forwarded-Proto": "http"})
    assert "strict-transport-security" not in by_http.headers


def test_nobody_else_says_either(anonymous: httpx.Client, service: Service) -> None:
    headers = {"X-Forwarded-For": "203.0.113.7, 198.51.100.1", "X-Forwarded-Proto": "https"}
    response = anonymous.get("/", headers=headers)
    assert "strict-transport-security" not in response.headers
    assert line_of(service, response.headers["x-request-id"])["client"] == "127.0.0.1"


def test_a_401_names_the_key_that_was_tried(anonymous: httpx.Client, service: Service) -> None:
    headers = {"Authorization": f"Bearer tp_0123456789ab_{'0' * 64}"}
    response = anonymous.get("/v1/tasks", headers=headers)
    assert response.status_code == 401
    assert line_of(service, response.headers["x-request-id"])["key_id"] == "0123456789ab"

"""GET /metrics."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.keys import admin as keys
from app.metrics.requests import LATENCY_BUCKETS_S
from tests.support.contract import problem
from tests.support.service import Service

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(client: httpx.Client) -> Series:
    """Return every sample by name and labels."""
    text = client.get("/metrics").text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def requests(series: Series, **labels: str) -> float:
    """Return how many requests with these labels were counted."""
    wanted = labels.items()
    return sum(v for (name, have), v in series.items() if name == "http_requests_total" and wanted <= have)


def test_it_works(client: httpx.Client) -> None:
    before = scrape(client)
    client.get("/v1/tasks")
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    labels = {"method": "GET", "path": "/v1/tasks", "status_code": "200"}
    assert requests(scrape(client), **labels) == requests(before, **labels) + 1


def test_the_service_itself(client: httpx.Client) -> None:
    series = scrape(client)
    plain = {name: value for (name, labels), value in series.items() if not labels}
    assert plain["taskpulse_database_up"] == 1
    assert 1 <= plain["taskpulse_pool_size"] <= plain["taskpulse_pool_max_size"] == 10
    assert plain["taskpulse_pool_waiting"] == 0
    assert plain["taskpulse_pool_available"] >= 0
    assert plain["process_resident_memory_bytes"] > 0
    assert not [name for name, _ in series if name.endswith("_created")]


def test_a_401_is_counted_as_such(client: httpx.Client, anonymous: httpx.Client) -> None:
    before = scrape(client)
    anonymous.get("/v1/tasks")
    labels = {"path": "/v1/tasks", "status_code": "401"}
    assert requests(scrape(client), **labels) == requests(before, **labels) + 1


def test_paths_are_templates(client: httpx.Client) -> None:
    task = client.post("/v1/tasks", json={"title": "x"}).json()["id"]
    before = scrape(client)
    for method in ("GET", "PATCH", "DELETE"):
        client.request(method, f"/v1/tasks/{task}", json={"title": "y"} if method == "PATCH" else None)
    client.get(f"/v1/tasks/{task}")
    client.get("/problems/not-found")
    after = scrape(client)
    assert not [labels for _, labels in after if any(task in value for _, value in labels)]
    paths = {dict(labels)["path"] for name, labels in after if name == "http_requests_total"}
    template = "/v1/tasks/{task_id}"
    assert template in paths
    assert requests(after, path=template) == requests(before, path=template) + 4
    assert requests(after, path=template, status_code="404") == requests(before, path=template, status_code="404") + 1


def test_what_is_not_a_call_of_the_api_is_not_counted(client: httpx.Client) -> None:
    for path in ("/health/live", "/health/ready", "/metrics", "/docs", "/openapi.json", "/docs/assets/swagger-ui.css"):
        assert client.get(path).status_code == 200
    paths = {dict(labels)["path"] for name, labels in scrape(client) if name == "http_requests_total"}
    assert not [path for path in paths if path.startswith(("/health", "/metrics", "/docs", "/openapi"))]


def test_a_bucket_ends_at_the_latency_objective(client: httpx.Client) -> None:
    client.get("/v1/tasks")
    bounds = {dict(labels)["le"] for name, labels in scrape(client) if name == "http_request_duration_seconds_bucket"}
    assert bounds == {str(bound) for bound in LATENCY_BUCKETS_S} | {"+Inf"}
    assert "0.25" in bounds


@pytest.mark.parametrize("path", ["/metrics", "/metrics/"])
def test_the_token_of_the_settings_or_a_key_with_the_scope(
    anonymous: httpx.Client, service: Service, path: str
) -> None:
    key = keys.create(service.settings, "scraper", ("metrics",), None)
    for token in ("scrape-me", key):
        assert anonymous.get(path, headers={"Authorization": f"Bearer {token}"}).status_code == 200


@pytest.mark.parametrize("token", ["", "scrape-m", "scrape-me2", "SCRAPE-ME"])
def test_another_token_is_401(anonymous: httpx.Client, token: str) -> None:
    response = anonymous.get("/metrics", headers={"Authorization": f"Bearer {token}".rstrip()})
    problem(response, 401, "unauthenticated")
    assert response.headers["www-authenticate"] == 'Bearer realm="taskpulse"'


def test_the_token_of_the_settings_opens_nothing_else(anonymous: httpx.Client) -> None:
    problem(anonymous.get("/v1/tasks", headers={"Authorization": "Bearer scrape-me"}), 401, "unauthenticated")

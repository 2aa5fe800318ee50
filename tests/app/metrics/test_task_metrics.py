"""The figures of tasks and leases on /metrics."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.dev.postgres import EmbeddedPostgres
from tests.support.leases import claim, expire, new_task
from tests.support.service import Service, fresh_database

BUDGET = 1500
"""Series that one process may show: Prometheus keeps each of them for every pod that ever ran."""

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def own(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[Service]:
    """A service that has just started, so that its counters are its own."""
    with Service(fresh_database(postgres), tmp_path / "log") as service:
        yield service


def scrape(service: Service) -> Series:
    response = httpx.get(f"{service.url}/metrics", headers={"Authorization": f"Bearer {service.key}"})
    assert response.status_code == 200
    families = text_string_to_metric_families(response.text)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(series: Series, name: str, **labels: str) -> float | None:
    return series.get((name, frozenset(labels.items())))


def eventually(service: Service, check: Callable[[Series], bool], within_s: float = 10) -> Series:
    deadline = time.monotonic() + within_s
    while not check(series := scrape(service)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return series


def test_it_works(own: Service) -> None:
    with (
        httpx.Client(base_url=own.url, headers={"Authorization": f"Bearer {own.key}"}) as client,
        psycopg.connect(own.conninfo, autocommit=True) as database,
    ):
        new_task(client, due_at="2020-01-01T00:00:00Z")
        new_task(client, status="failed")
        claim(client, new_task(client))
        quiet = new_task(client)
        claim(client, quiet)
        expire(database, quiet)
        begun = time.time()
    own.stop(signal.SIGKILL)
    own.start()
    series = eventually(own, lambda series: value(series, "taskpulse_tasks", status="open") is not None)
    found = {status: value(series, "taskpulse_tasks", status=status) for status in STATUSES}
    assert found == {"open": 1, "in_progress": 2, "done": 0, "cancelled": 0, "failed": 1}
    assert value(series, "taskpulse_tasks_overdue") == 1
    assert value(series, "taskpulse_leases", state="live") == 1
    assert value(series, "taskpulse_leases", state="expired") == 1
    for name in ("taskpulse_oldest_open_task_timestamp_seconds", "taskpulse_oldest_pulse_timestamp_seconds"):
        moment = value(series, name)
        assert moment is not None
        assert begun - 20 < moment <= begun
    collected = value(series, "taskpulse_collector_last_success_timestamp_seconds")
    assert collected is not None
    assert collected > begun


STATUSES = ("open", "in_progress", "done", "cancelled", "failed")


def test_label_sets_start_at_zero(own: Service) -> None:
    series = eventually(own, lambda series: value(series, "taskpulse_tasks", status="open") is not None)
    for outcome in ("granted", "empty", "refused"):
        assert value(series, "taskpulse_claims_total", outcome=outcome) == 0
    for outcome in ("accepted", "lost"):
        assert value(series, "taskpulse_pulses_total", outcome=outcome) == 0
    assert value(series, "taskpulse_lease_takeovers_total") == 0
    assert {status: value(series, "taskpulse_tasks", status=status) for status in STATUSES} == dict.fromkeys(
        STATUSES, 0
    )
    assert value(series, "taskpulse_oldest_open_task_timestamp_seconds") is None
    assert value(series, "taskpulse_oldest_pulse_timestamp_seconds") is None


def test_claims_and_pulses_are_counted(own: Service) -> None:
    with (
        httpx.Client(base_url=own.url, headers={"Authorization": f"Bearer {own.key}"}) as client,
        psycopg.connect(own.conninfo, autocommit=True) as database,
    ):
        task_id = new_task(client)
        token = claim(client, task_id)["lease"]["token"]
        body = {"worker": "w2", "ttl_s": 9}
        client.post(f"/v1/tasks/{task_id}/claim", json=body)
        client.post("/v1/tasks/claim", json=body)
        client.post(f"/v1/tasks/{task_id}/pulse", json={"token": token})
        expire(database, task_id)
        client.post("/v1/tasks/claim", json=body)
        client.post(f"/v1/tasks/{task_id}/pulse", json={"token": token})
    series = scrape(own)
    outcomes = [value(series, "taskpulse_claims_total", outcome=name) for name in ("granted", "empty", "refused")]
    assert outcomes == [2, 1, 1]
    assert [value(series, "taskpulse_pulses_total", outcome=name) for name in ("accepted", "lost")] == [1, 1]
    assert value(series, "taskpulse_lease_takeovers_total") == 1


def test_figures_go_when_the_query_fails(own: Service) -> None:
    eventually(own, lambda series: value(series, "taskpulse_tasks", status="open") is not None)
    with psycopg.connect(own.conninfo, autocommit=True) as database:
        database.execute("alter table leases rename to hidden")
        series = eventually(own, lambda series: value(series, "taskpulse_tasks", status="open") is None, within_s=25)
        assert value(series, "taskpulse_tasks_overdue") is None
        assert value(series, "taskpulse_leases", state="live") is None
        last = value(series, "taskpulse_collector_last_success_timestamp_seconds")
        assert last is not None
        assert last > time.time() - 60


def test_the_number_of_series_stays_in_the_budget(own: Service) -> None:
    """After every route has been asked, with ids and without, known and unknown."""
    with httpx.Client(base_url=own.url, headers={"Authorization": f"Bearer {own.key}"}) as client:
        document = client.get("/openapi.json").json()
        for path, item in document["paths"].items():
            for method in item.keys() & {"get", "post", "patch", "delete"}:
                for task_id in ("01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b302099a8058", "x"):
                    url = path.replace("{task_id}", task_id).replace("{name}", task_id)
                    with client.stream(method, url, json={} if method in {"post", "patch"} else None) as response:
                        if response.headers.get("Content-Type", "").startswith("text/event-stream"):
                            break  # it has no end
                        response.read()
    series = scrape(own)
    assert 100 < len(series) < BUDGET, len(series)
    for _, labels in series:
        assert not any("01890a5d" in text for _, text in labels)

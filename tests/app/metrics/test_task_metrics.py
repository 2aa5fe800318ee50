"""The figures of tasks and leases on /metrics."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.dev.postgres import EmbeddedPostgres
from app.metrics.tasks import QUERY, STALE_S, Figures
from tests.support.leases import claim, expire, new_task
from tests.support.service import Service, fresh_database
from tests.support.waiting import eventually

BUDGET = 3500
"""Series that one process may show after any tests: Prometheus keeps each of them for every pod that ever ran."""

pytestmark = pytest.mark.xdist_group("task-metrics")  # they share a service

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def own(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[Service]:
    """A service that a test may kill."""
    with Service(fresh_database(postgres), tmp_path / "log") as service:
        yield service


@pytest.fixture(scope="module")
def idle(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service without tasks, of which nobody has claimed anything yet."""
    with Service(fresh_database(postgres), tmp_path_factory.mktemp("service") / "log") as service:
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


def wait_for_figures(service: Service, *, there: bool = True) -> Series:
    """Return what a scrape shows once the figures from the database are there, or gone."""
    eventually(lambda: (service.metric("taskpulse_tasks") is not None) == there)
    return scrape(service)


def test_it_works(own: Service) -> None:
    with (
        httpx.Client(base_url=own.url, headers={"Authorization": f"Bearer {own.key}"}) as client,
        psycopg.connect(own.conninfo, autocommit=True) as database,
    ):
        new_task(client, due_at="2020-01-01T00:00:00Z")
        new_task(client, status="failed")
        claim(client, new_task(client), ttl_s=3600)
        quiet = new_task(client)
        claim(client, quiet)
        expire(database, quiet)
        begun = time.time()
    own.stop(signal.SIGKILL)
    own.start()
    series = wait_for_figures(own)
    found = {status: value(series, "taskpulse_tasks", status=status) for status in STATUSES}
    assert found == {"open": 1, "in_progress": 2, "done": 0, "cancelled": 0, "failed": 1}
    assert value(series, "taskpulse_tasks_overdue") == 1
    assert value(series, "taskpulse_leases", state="live") == 1
    assert value(series, "taskpulse_leases", state="expired") == 1
    assert value(series, "taskpulse_oldest_expired_lease_timestamp_seconds") is not None
    for name in ("taskpulse_oldest_open_task_timestamp_seconds", "taskpulse_oldest_pulse_timestamp_seconds"):
        moment = value(series, name)
        assert moment is not None
        assert begun - 20 < moment <= begun
    collected = value(series, "taskpulse_collector_last_success_timestamp_seconds")
    assert collected is not None
    assert collected > begun


def test_the_backlog_is_what_is_ready(own: Service) -> None:
    """Not what is scheduled; and a task that waited counts from when it could be claimed, however old it is."""
    with (
        httpx.Client(base_url=own.url, headers={"Authorization": f"Bearer {own.key}"}) as client,
        psycopg.connect(own.conninfo, autocommit=True) as database,
    ):
        new_task(client, title="scheduled", run_after="2100-01-01T00:00:00Z")
        new_task(client, title="waited")
        new_task(client, title="was past when it was made", run_after="2020-01-01T00:00:00Z")
        database.execute(
            "update tasks set created_at = now() - interval '30 days' where title in ('scheduled', 'waited')"
        )
        database.execute("update tasks set run_after = now() - interval '2 hours' where title = 'waited'")
    own.stop(signal.SIGKILL)
    own.start()
    series = wait_for_figures(own)
    assert value(series, "taskpulse_open_tasks", state="ready") == 2
    assert value(series, "taskpulse_open_tasks", state="scheduled") == 1
    oldest = value(series, "taskpulse_oldest_open_task_timestamp_seconds")
    assert oldest is not None
    assert 7190 < time.time() - oldest < 7800


def test_a_queue_has_figures(own: Service) -> None:
    """And a label without one has none; their ages are as of the look at them."""
    with (
        httpx.Client(base_url=own.url, headers={"Authorization": f"Bearer {own.key}"}) as client,
        psycopg.connect(own.conninfo, autocommit=True) as database,
    ):
        client.put("/v1/queues/a%2Fb", json={"paused": True, "max_leases": 5, "ready_within_s": 60}).raise_for_status()
        client.put("/v1/queues/free", json={}).raise_for_status()
        for _ in range(2):
            new_task(client, labels=["a/b", "other"])
        held, quiet = (new_task(client, labels=["free"]) for _ in range(2))
        for task_id in (held, quiet):
            claim(client, task_id, ttl_s=3600)
        expire(database, quiet)
        database.execute("update queues set paused_at = now() - interval '2 hours' where label = 'a/b'")
        database.execute("update ready_labels set since = now() - interval '3 hours' where label = 'a/b'")
    own.stop(signal.SIGKILL)
    own.start()
    series = wait_for_figures(own)
    assert value(series, "taskpulse_queues") == 2
    counts = {
        tuple(
            value(series, "taskpulse_queue_tasks", queue=queue, state=state) for state in ("ready", "leased", "quiet")
        )
        for queue in ("a/b", "free")
    }
    assert counts == {(2, 0, 0), (0, 1, 1)}
    assert value(series, "taskpulse_queue_tasks", queue="other", state="ready") is None
    assert value(series, "taskpulse_queue_max_leases", queue="a/b") == 5
    assert value(series, "taskpulse_queue_max_leases", queue="free") is None
    assert value(series, "taskpulse_queue_ready_within_seconds", queue="a/b") == 60
    assert value(series, "taskpulse_queue_ready_within_seconds", queue="free") is None
    for name, hours in (("taskpulse_queue_paused_seconds", 2), ("taskpulse_queue_oldest_ready_seconds", 3)):
        seconds = value(series, name, queue="a/b")
        assert seconds is not None
        assert hours * 3600 <= seconds < (hours + 1) * 3600
        assert value(series, name, queue="free") == 0


WAITS: list[tuple[list[tuple[int, int | None]], int | None]] = [
    ([(30, None), (700, None), (90, None)], 700),
    ([(30, None), (20, None), (10, None)], 30),
    ([(900, 500), (60, None)], 500),  # nobody could take the first one over before its rest had ended
    ([(900, -600), (800, -600)], None),  # nobody can take them over yet
    ([(-600, None)], None),
]
"""How long ago each lease expired and its task's rest ended, and how long the oldest has waited; negative: later."""


def test_how_long_a_task_has_waited_to_be_taken_over(own: Service) -> None:
    """It is one task's time, however many leases expired."""
    with (
        httpx.Client(base_url=own.url, headers={"Authorization": f"Bearer {own.key}"}) as client,
        psycopg.connect(own.conninfo, autocommit=True) as database,
    ):
        tasks = [new_task(client) for _ in range(3)]
        for task_id in tasks:
            claim(client, task_id)
        for cases, waits_s in WAITS:
            with database.transaction(force_rollback=True):
                for task_id, (expired_s, rests_s) in zip(tasks, cases, strict=False):
                    database.execute(
                        "update leases set expires_at = now() - %s * interval '1 second' where task_id = %s",
                        (expired_s, task_id),
                    )
                    database.execute(
                        "update tasks set rests_until = now() - %s * interval '1 second' where id = %s",
                        (rests_s, task_id),
                    )
                [row] = database.execute(QUERY).fetchall()
                [[now]] = database.execute("select extract(epoch from now())").fetchall()
            since = Figures._make(row).oldest_expired
            assert (None if since is None else round(float(now) - since)) == waits_s, cases


STATUSES = ("open", "in_progress", "done", "cancelled", "failed")


def test_label_sets_start_at_zero(idle: Service) -> None:
    series = wait_for_figures(idle)
    for outcome in ("granted", "empty", "refused"):
        assert value(series, "taskpulse_claims_total", outcome=outcome) == 0
    for outcome in ("accepted", "lost"):
        assert value(series, "taskpulse_pulses_total", outcome=outcome) == 0
    assert value(series, "taskpulse_lease_takeovers_total") == 0
    assert {status: value(series, "taskpulse_tasks", status=status) for status in STATUSES} == dict.fromkeys(
        STATUSES, 0
    )
    assert value(series, "taskpulse_oldest_open_task_timestamp_seconds") is None
    assert value(series, "taskpulse_oldest_expired_lease_timestamp_seconds") is None
    assert value(series, "taskpulse_oldest_pulse_timestamp_seconds") is None


def test_claims_and_pulses_are_counted(client: httpx.Client, service: Service, database: psycopg.Connection) -> None:
    before = scrape(service)
    task_id = new_task(client)
    token = claim(client, task_id)["lease"]["token"]
    body = {"worker": "w2", "ttl_s": 9}
    client.post(f"/v1/tasks/{task_id}/claim", json=body)
    client.post("/v1/tasks/claim", json=body)
    client.post(f"/v1/tasks/{task_id}/pulse", json={"token": token})
    expire(database, task_id)
    client.post("/v1/tasks/claim", json=body)
    client.post(f"/v1/tasks/{task_id}/pulse", json={"token": token})
    after = scrape(service)

    def more(name: str, **labels: str) -> float:
        return (value(after, name, **labels) or 0) - (value(before, name, **labels) or 0)

    assert [more("taskpulse_claims_total", outcome=name) for name in ("granted", "empty", "refused")] == [2, 1, 1]
    assert [more("taskpulse_pulses_total", outcome=name) for name in ("accepted", "lost")] == [1, 1]
    assert more("taskpulse_lease_takeovers_total") == 1


def test_figures_go_when_the_query_fails(idle: Service) -> None:
    wait_for_figures(idle)
    with psycopg.connect(idle.conninfo, autocommit=True) as database:
        database.execute("alter table leases rename to hidden")
        series = wait_for_figures(idle, there=False)
        database.execute("alter table hidden rename to leases")
        assert value(series, "taskpulse_tasks_overdue") is None
        assert value(series, "taskpulse_leases", state="live") is None
        last = value(series, "taskpulse_collector_last_success_timestamp_seconds")
        assert last is not None
        assert time.time() - last < STALE_S, "they went as they were too old"


def test_the_number_of_series_stays_in_the_budget(service: Service) -> None:
    """After every route has been asked, with ids and without, known and unknown."""
    with httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {service.key}"}) as client:
        document = client.get("/openapi.json").json()
        for path, item in document["paths"].items():
            for method in item.keys() & {"get", "post", "patch", "delete"}:
                for task_id in ("01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b302099a8058", "x"):
                    url = path.replace("{task_id}", task_id).replace("{name}", task_id)
                    with client.stream(method, url, json={} if method in {"post", "patch"} else None) as response:
                        if response.headers.get("Content-Type", "").startswith("text/event-stream"):
                            break  # it has no end
                        response.read()
    series = scrape(service)
    assert 100 < len(series) < BUDGET, len(series)
    for _, labels in series:
        assert not any("01890a5d" in text for _, text in labels)

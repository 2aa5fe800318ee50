"""Every panel, drawn from a real Prometheus that watches a real service; the pictures stay in build/panels."""

import re
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from app.dev.postgres import EmbeddedPostgres
from delivery.checkout import ROOT
from delivery.manifests import Object
from monitoring.local import configuration
from monitoring.local.shorter import shorten
from monitoring.local.stack import Stack
from tests.monitoring import drawing, objects
from tests.monitoring.exporters import Exporters
from tests.support.service import Service, free_port, fresh_database

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pictures")]

FACTOR = 30
LOAD_S = 50
"""The service reads its figures every 15 s: long enough for three of them."""
VARIABLES = {**objects.GRAFANA_VARIABLES, "$__rate_interval": "5s"}
FOLDER = ROOT / "build" / "panels"
PANELS = [
    pytest.param(name, panel, id=f"{name}: {panel['title']}")
    for name, board in objects.dashboards().items()
    for panel in board["panels"]
]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory, postgres: EmbeddedPostgres) -> Iterator[Stack]:
    """Prometheus after it has watched a service for a while in which much goes wrong."""
    folder = tmp_path_factory.mktemp("pictures")
    stack = Stack(folder / "stack", free_port(), free_port(), {"for-grace-period": "1s"})
    overlay = objects.overlay("main")
    settings = fresh_database(postgres)
    with Service(settings, folder / "service.log") as service, client_of(service) as client:
        make_tasks(client)
    with (
        Service(settings, folder / "service.log") as service,  # reads its figures when it starts
        client_of(service) as client,
        Exporters(free_port()) as exporters,
        stack,
    ):
        scrapes = shorten(
            configuration.prometheus(overlay, "scrape-me", [service.port], stack.alertmanager_port), FACTOR
        )
        scrapes["scrape_configs"].append(exporters.scrape)
        stack.write(prometheus=scrapes, rules=shorten(configuration.rules(overlay), FACTOR), alertmanager={"route": {}})
        stack.start_prometheus()
        keep_busy(client, service)
        yield stack


def client_of(service: Service) -> httpx.Client:
    return httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {service.key}"})


def make_tasks(client: httpx.Client) -> None:
    """Many for "busy" to work off; one that expires and is late, one that waits, one that is cancelled; two queues."""
    past = (datetime.now(UTC) - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    later = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for number in range(400):
        client.post("/v1/tasks", json={"title": f"Sample {number}", "labels": ["busy"]}).raise_for_status()
    client.post("/v1/tasks", json={"title": "Late", "due_at": past, "labels": ["gone"]}).raise_for_status()
    client.post("/v1/tasks", json={"title": "Later", "run_after": later}).raise_for_status()
    client.post("/v1/tasks", json={"title": "Unwanted", "labels": ["tired"]}).raise_for_status()
    claim(client, "gone", ttl_s=1)
    client.patch(f"/v1/tasks/{claim(client, 'tired')[0]}", json={"status": "cancelled"}).raise_for_status()
    client.put("/v1/queues/busy", json={"max_leases": 3, "ready_within_s": 60}).raise_for_status()
    client.put("/v1/queues/gone", json={"paused": True}).raise_for_status()


def keep_busy(client: httpx.Client, service: Service) -> None:
    """Work tasks off; for two moments requests fail."""
    end = time.monotonic() + LOAD_S
    fails = [end - LOAD_S / 3, end - 2 * LOAD_S / 3]  # what fails before the first scrape of its series is not counted
    while time.monotonic() < end:
        task, token = claim(client, "busy")
        client.post(f"/v1/tasks/{task}/pulse", json={"token": token})
        client.post(f"/v1/tasks/{task}/complete", json={"token": token})
        client.post(f"/v1/tasks/{task}/pulse", json={"token": token})  # too late: it is over
        if fails and time.monotonic() > fails[-1]:
            fails.pop()
            fail_requests(client, service)
        time.sleep(0.15)


def fail_requests(client: httpx.Client, service: Service) -> None:
    with psycopg.connect(service.conninfo, autocommit=True) as database:
        database.execute("alter table tasks rename to mislaid")
        for _ in range(5):
            assert client.get("/v1/tasks").status_code == 500
        database.execute("alter table mislaid rename to tasks")


def claim(client: httpx.Client, worker: str, ttl_s: int = 60) -> tuple[str, str]:
    """Claim a task with the worker's name as its label; return its id and the lease's token."""
    answer = client.post(
        "/v1/tasks/claim", json={"worker": worker, "ttl_s": ttl_s, "labels": [worker]}
    ).raise_for_status()
    [item] = answer.json()["items"]
    return item["task"]["id"], item["lease"]["token"]


@pytest.fixture(scope="module")
def pictures() -> Path:
    """The folder for them, without those of an earlier run."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    return FOLDER


@pytest.mark.parametrize(("name", "panel"), PANELS)
def test_a_panel_shows_data(name: str, panel: Object, prometheus: Stack, pictures: Path) -> None:
    shown: dict[str, drawing.Samples] = {}
    for target in panel["targets"]:
        series = answer(prometheus, target["expr"])
        assert series, f"no data for {target['expr']}"
        for each in series:
            legend = re.sub(r"{{(\w+)}}", lambda match: str(each["metric"].get(match[1], "")), target["legendFormat"])  # noqa: B023
            assert legend.strip(), f"a series of {target['expr']} has no name: {each['metric']}"
            assert legend not in shown, f"two series are called {legend}"
            shown[legend] = [(float(at), float(value)) for at, value in each["values"]]
    drawing.draw(panel, shown, pictures / name.removesuffix(".json") / f"{panel['id']:02} {panel['title']}.png")


def answer(prometheus: Stack, expression: str) -> list[Any]:
    """What Prometheus has for a query of the last minutes."""
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    now = time.time()
    asked = {"query": expression, "start": str(now - LOAD_S - 10), "end": str(now), "step": "1"}
    found = httpx.get(f"{prometheus.prometheus}/api/v1/query_range", params=asked).raise_for_status()
    result: list[Any] = found.json()["data"]["result"]
    return result

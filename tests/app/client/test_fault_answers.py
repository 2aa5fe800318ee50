"""The table of faults: answers that are not the API's own, and refusals that are."""

import signal
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from app.client.run import label_of
from tests.support.answers import NO_VERDICTS, no_verdict
from tests.support.client_process import ClientProcess
from tests.support.faults import rows
from tests.support.leases import new_task, read
from tests.support.proxy import Fault, Proxy, problem
from tests.support.service import Service
from tests.support.waiting import eventually

Row = dict[str, Any]
CALLS = {
    "claim": "/claim$",
    "list": "GET /v1/tasks\\?",
    "create": "POST /v1/tasks$",
    "events": "/events",
    **{name: f"/{name}$" for name in ("pulse", "complete", "fail", "release")},
}
ENDS = {"complete": "exit 0", "fail": "exit 3", "release": "sleep 60"}
SOME = ["502 page", "401 page", "404 page", "429 ours", "302 redirect", "200 broken JSON", "cut", "lost", "half"]


def refusals(row: Row) -> list[Fault]:
    status, name = row["answer"].split()
    return [Fault(CALLS[row["call"]], "answer", answer=problem(int(status), name))]


def actions(client: httpx.Client, task_id: str) -> list[str]:
    return [event["action"] for event in client.get(f"/v1/tasks/{task_id}/history").json()["items"]]


def leases(database: psycopg.Connection) -> int:
    return len(database.execute("select from leases").fetchall())


@pytest.mark.parametrize("row", [row for row in rows("answers", "work") if row.values[0]["answer"] == "no verdict"])
def test_work_goes_on_after_every_answer_that_is_no_verdict(
    client: httpx.Client, service: Service, database: psycopg.Connection, tmp_path: Path, row: Row
) -> None:
    """Each task meets one such answer, and is done once."""
    call = row["call"]
    script = ["sh", "-c", ENDS.get(call, "sleep 1.5" if call == "pulse" else "exit 0")]
    answers = NO_VERDICTS if call in {"claim", "complete"} else SOME
    with Proxy(service.port) as proxy, ClientProcess(service, tmp_path, proxy.url) as process:
        process.start("work", "--ttl", "3", "--", *script)
        for name in answers:
            proxy.faults = [no_verdict(name, CALLS[call])]
            task_id = new_task(client, max_attempts=1)
            if call == "release":
                eventually(lambda task_id=task_id: read(client, task_id)["status"] == "in_progress")  # type: ignore[misc]
                client.patch(f"/v1/tasks/{task_id}", json={"status": "cancelled"})
            eventually(lambda task_id=task_id: read(client, task_id)["finished_at"])  # type: ignore[misc]
            assert read(client, task_id)["status"] == row["task"], name
            assert actions(client, task_id).count("claimed") == 1, name
            eventually(lambda: proxy.faults[0].times == 0)
        assert process.stop(signal.SIGTERM) == row["exit"]
    assert leases(database) == row["left"]


@pytest.mark.parametrize("row", [row for row in rows("answers", "work") if row.values[0]["answer"] != "no verdict"])
def test_work_and_refusals(
    client: httpx.Client, service: Service, database: psycopg.Connection, tmp_path: Path, row: Row
) -> None:
    task_id = new_task(client, max_attempts=1)
    with (
        Proxy(service.port, refusals(row)) as proxy,
        ClientProcess(service, tmp_path, proxy.url) as process,
    ):
        process.start("work", "--ttl", "3", "--", "sleep", "1.5")
        eventually(lambda: proxy.faults[0].times == 0)
        if row["call"] != "claim":
            refused_end = row["left"] == 1
            eventually(
                lambda: process.said("its end was refused") if refused_end else read(client, task_id)["finished_at"]
            )
            process.send(signal.SIGTERM)
        assert process.wait() == row["exit"]
        assert process.said(row.get("said", ""))
    assert (read(client, task_id)["status"], leases(database)) == (row["task"], row["left"])


@pytest.mark.parametrize("row", rows("answers", "run"))
def test_run(client: httpx.Client, service: Service, database: psycopg.Connection, tmp_path: Path, row: Row) -> None:
    is_verdict = row["answer"] != "no verdict"
    script = ["sh", "-c", ENDS.get(row["call"], "exit 0")]
    for number, name in enumerate(["refused"] if is_verdict else SOME):
        faults = refusals(row) if is_verdict else [no_verdict(name, CALLS[row["call"]])]
        title = f"backup {number}"
        with Proxy(service.port, faults) as proxy, ClientProcess(service, tmp_path, proxy.url) as process:
            process.start("run", "--title", title, "--every", "24h", "--grace", "2h", "--", *script)
            assert process.wait() == row["exit"], name
            assert faults[0].times == 0
            assert process.said(row.get("said", ""))
        today = client.get("/v1/tasks", params={"label": label_of(title), "sort": "created_at"}).json()["items"][0]
        assert today["status"] == row["task"], name
    assert leases(database) == row["left"]


@pytest.mark.parametrize("row", rows("answers", "watch"))
def test_watch(client: httpx.Client, service: Service, tmp_path: Path, row: Row) -> None:
    is_verdict = row["answer"] != "no verdict"
    faults = refusals(row) if is_verdict else []
    with Proxy(service.port, faults) as proxy, ClientProcess(service, tmp_path, proxy.url) as process:
        process.start("watch", "--after", "0", "--output", "json")
        for number, name in enumerate([] if is_verdict else NO_VERDICTS, start=1):
            new_task(client)
            eventually(lambda number=number: process.lines() >= number)  # type: ignore[misc]
            proxy.faults = [no_verdict(name, CALLS["events"])] if name not in {"lost", "half"} else []
            proxy.break_off()
        if not is_verdict:
            new_task(client)
            eventually(lambda: process.lines() == len(NO_VERDICTS) + 1)
            process.send(signal.SIGTERM)
        assert process.wait() == row["exit"]
        assert process.said(row.get("said", ""))

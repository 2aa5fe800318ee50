"""From what happens to the service to what a person reads, through real Prometheus and Alertmanager.

Waiting times are a thirtieth of the real ones; the windows of queries too. Each message is printed.
"""

import signal
import time
from datetime import UTC, datetime, timedelta

import httpx
import psycopg
import pytest

from tests.monitoring.fixtures import Watched, wait_for, watched

__all__ = ["watched"]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("watched")]


def show(capsys: pytest.CaptureFixture[str], *messages: object) -> None:
    with capsys.disabled():
        for message in messages:
            print(f"\n----- {type(message).__name__}\n{message}")


def task(watched: Watched, **more: object) -> str:
    created = watched.client.post("/v1/tasks", json={"title": "Send the invoices", **more})
    assert created.status_code == 201, created.text
    identity: str = created.json()["id"]
    return identity


def claim(watched: Watched, identity: str, ttl_s: int) -> str:
    claimed = watched.client.post(f"/v1/tasks/{identity}/claim", json={"worker": "worker-7", "ttl_s": ttl_s})
    assert claimed.status_code == 200, claimed.text
    token: str = claimed.json()["lease"]["token"]
    return token


def held_back(watched: Watched, name: str) -> list[str]:
    """Fingerprints of the alerts that hold back the warning `name`; empty while nothing does."""
    return [
        source
        for alert in watched.stack.alerts()
        if alert["labels"]["alertname"] == name and alert["labels"]["severity"] == "warning"
        for source in alert["status"]["inhibitedBy"]
    ]


def told(watched: Watched, since: float, *words: str) -> list[str]:
    """Titles of the messages since a moment that hold all of some words."""
    return [m.title for m in watched.slack.messages if m.received > since and all(word in m.title for word in words)]


def test_a_worker_goes_quiet(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    """Warned of in Slack; after a while critical, by mail too, and the warning is held back; resolved when it ends."""
    start = time.time()
    identity = task(watched)
    token = claim(watched, identity, ttl_s=2)
    warning = watched.message(
        since=start, within_s=60, words=["FIRING", "warning", "TaskPulseWorkerQuiet in taskpulse"]
    )
    critical = watched.message(since=start, within_s=60, words=["FIRING", "critical", "TaskPulseWorkerQuiet"])
    mail = watched.mail(since=start, within_s=20, words=["FIRING", "TaskPulseWorkerQuiet in taskpulse"])
    wait_for(lambda: held_back(watched, "TaskPulseWorkerQuiet") or None, 10, "held back warning", str)
    ended = time.time()
    assert watched.client.post(f"/v1/tasks/{identity}/complete", json={"token": token}).status_code == 200
    resolved = watched.message(since=ended, within_s=60, words=["RESOLVED", "critical", "TaskPulseWorkerQuiet"])
    resolved_mail = watched.mail(since=ended, within_s=20, words=["RESOLVED", "TaskPulseWorkerQuiet"])
    watched.message(since=ended, within_s=60, words=["RESOLVED", "warning", "TaskPulseWorkerQuiet"])
    show(capsys, warning, critical, mail, resolved, resolved_mail)

    assert warning.channel == "#taskpulse-alerts"
    assert warning.color == "warning"
    assert critical.color == "danger"
    for text in (warning.text, mail.text):
        assert "A worker went quiet" in text
        assert "Leases in taskpulse that expired without a pulse and were not claimed again: 1." in text
        assert datetime.now(UTC).strftime("ince %Y-%m-%d") in text
        assert "/runbooks/TaskPulseWorkerQuiet.md" in text
        assert "https://taskpulse.example.com/board?view=tasks&lease=expired" in text
        assert "http://localhost:3000/d/taskpulse-tasks" in text
        assert f"{watched.stack.alertmanager}/#/silences/new?filter=%7Balertname%3D%22TaskPulseWorkerQuiet%22" in text
    assert mail.to == "oncall@example.com"
    assert "Links to localhost need the port-forwards of `make oncall`." in mail.text
    assert resolved.color == "good"
    assert "silences/new" not in resolved.text + resolved_mail.text
    assert not [mail for mail in watched.mailbox.mails if "warning" in mail.text]


def test_tasks_are_overdue(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    """Three at once make one message."""
    start = time.time()
    due = (datetime.now(UTC) - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    tasks = [task(watched, due_at=due) for _ in range(3)]
    message = watched.message(since=start, within_s=60, words=["FIRING", "warning", "TaskPulseTasksOverdue"])
    ended = time.time()
    for identity in tasks:
        assert watched.client.patch(f"/v1/tasks/{identity}", json={"status": "done"}).status_code == 200
    resolved = watched.message(since=ended, within_s=60, words=["RESOLVED", "TaskPulseTasksOverdue"])
    show(capsys, message, resolved)

    assert "Unfinished tasks in taskpulse past their due_at: 3." in message.text
    firing = [m for m in watched.slack.messages if "TasksOverdue" in m.title and m.title.startswith("FIRING")]
    assert len(firing) == 1
    assert not [mail for mail in watched.mailbox.mails if "TasksOverdue" in mail.subject]


def test_requests_fail(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    """A burst of 500 burns the budget; the alerts of both windows come in one message."""
    start = time.time()
    with psycopg.connect(watched.service.conninfo, autocommit=True) as database:
        database.execute("alter table tasks rename to mislaid")
        try:
            while time.time() < start + 120:
                assert watched.client.get("/v1/tasks").status_code == 500
                time.sleep(0.1)
                grouped = [m for m in watched.slack.messages if m.title.startswith("FIRING (2 alerts) · critical")]
                if grouped and "TaskPulseErrorBudgetBurn" in grouped[-1].title:
                    break
        finally:
            database.execute("alter table mislaid rename to tasks")
    message = watched.message(since=start, within_s=1, words=["FIRING (2 alerts)", "TaskPulseErrorBudgetBurn"])
    mail = watched.mail(since=start, within_s=20, words=["FIRING", "TaskPulseErrorBudgetBurn"])
    ended = time.time()
    while not told(
        watched, ended, "RESOLVED", "TaskPulseErrorBudgetBurn"
    ):  # without requests nobody knows that it is over
        assert time.time() < ended + 180
        assert watched.client.get("/v1/tasks").status_code == 200
        time.sleep(0.1)
    resolved = watched.message(since=ended, within_s=1, words=["RESOLVED", "TaskPulseErrorBudgetBurn"])
    show(capsys, message, mail, resolved)

    assert "answered with a 5xx over the last hour" in message.text
    assert "answered with a 5xx over the last six hours" in message.text
    assert "% of requests in taskpulse" in mail.text


def test_the_database_goes_away(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    """Critical, by mail too; warnings about its consequences are held back."""
    start = time.time()
    watched.postgres.stop(signal.SIGQUIT)
    try:
        message = watched.message(since=start, within_s=60, words=["FIRING", "critical", "TaskPulseDatabaseDown"])
        mail = watched.mail(since=start, within_s=20, words=["FIRING", "TaskPulseDatabaseDown"])
        labels = {"alertname": "TaskPulsePoolExhausted", "severity": "warning", "namespace": "taskpulse"}
        httpx.post(f"{watched.stack.alertmanager}/api/v2/alerts", json=[{"labels": labels}]).raise_for_status()
        wait_for(lambda: held_back(watched, "TaskPulsePoolExhausted") or None, 10, "held back warning", str)
        time.sleep(5)
    finally:
        ended = time.time()
        watched.postgres.start()
    resolved = watched.message(since=ended, within_s=60, words=["RESOLVED", "TaskPulseDatabaseDown"])
    show(capsys, message, mail, resolved)

    assert "requests are answered with 503" in message.text
    assert "/board" not in message.text + mail.text
    held = [m for m in watched.slack.messages if start < m.received < ended and "warning" in m.title]
    assert not held


def test_the_service_goes_away(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    start = time.time()
    watched.service.stop()
    try:
        message = watched.message(since=start, within_s=60, words=["FIRING", "critical", "TaskPulseTargetDown"])
        mail = watched.mail(since=start, within_s=20, words=["FIRING", "TaskPulseTargetDown"])
        wait_for(lambda: held_back(watched, "TaskPulseTargetDown") or None, 10, "held back warning", str)
    finally:
        ended = time.time()
        watched.service.start()
    resolved = watched.message(since=ended, within_s=60, words=["RESOLVED", "TaskPulseTargetDown"])
    show(capsys, message, mail, resolved)

    assert "no pod answers Prometheus" in message.text


def test_nothing_is_said_to_be_over_because_nobody_could_look(
    watched: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    """A worker is quiet; then the database is away, then Prometheus, then the service. Only the true end is told."""
    start = time.time()
    identity = task(watched)
    token = claim(watched, identity, ttl_s=2)
    watched.message(since=start, within_s=60, words=["FIRING", "warning", "TaskPulseWorkerQuiet"])
    watched.message(since=start, within_s=60, words=["FIRING", "critical", "TaskPulseWorkerQuiet"])

    watched.postgres.stop(signal.SIGQUIT)
    began = time.time()
    watched.message(since=began, within_s=60, words=["FIRING", "critical", "TaskPulseDatabaseDown"])
    restarted = time.time()
    watched.stack.stop_prometheus()
    watched.stack.start_prometheus()
    wait_for(
        lambda: (
            watched.stack.query(
                f'timestamp(ALERTS{{alertname="TaskPulseWorkerQuiet",alertstate="firing"}}) > {restarted + 2}'
            )
            or None
        ),
        60,
        "alert that fires again",
        lambda: str(watched.stack.query("ALERTS")),
    )
    assert not told(watched, start, "RESOLVED", "TaskPulseWorkerQuiet")
    watched.postgres.start()
    watched.message(since=restarted, within_s=60, words=["RESOLVED", "TaskPulseDatabaseDown"])

    wait_until_leases_expire_again(watched)
    stopped = time.time()
    watched.service.stop()
    watched.message(since=stopped, within_s=60, words=["FIRING", "critical", "TaskPulseTargetDown"])
    watched.service.start()
    watched.message(since=stopped, within_s=60, words=["RESOLVED", "critical", "TaskPulseTargetDown"])
    assert not told(watched, stopped, "RESOLVED", "TaskPulseWorkerQuiet")

    ended = time.time()
    assert watched.client.post(f"/v1/tasks/{identity}/complete", json={"token": token}).status_code == 200
    critical = watched.message(since=ended, within_s=60, words=["RESOLVED", "critical", "TaskPulseWorkerQuiet"])
    warning = watched.message(since=ended, within_s=60, words=["RESOLVED", "warning", "TaskPulseWorkerQuiet"])
    show(capsys, critical, warning)


def wait_until_leases_expire_again(watched: Watched) -> None:
    """After a restart of the database, leases have 30 seconds, which no factor shortens as it does the alerts."""
    with psycopg.connect(watched.service.conninfo, autocommit=True) as database:
        over = "select 1 where clock_timestamp() > pg_postmaster_start_time() + interval '30 seconds'"
        wait_for(lambda: database.execute(over).fetchone(), 60, "end of the 30 seconds", str)
    end = time.time()
    alert = 'timestamp(ALERTS{alertname="TaskPulseWorkerQuiet",alertstate="firing",severity="critical"})'
    fresh = f'({alert} > {end}) and on () (timestamp(taskpulse_leases{{state="expired"}} > 0) > {end})'
    wait_for(
        lambda: watched.stack.query(fresh) or None,
        60,
        "alert that fires again",
        lambda: str(watched.stack.query("ALERTS")),
    )

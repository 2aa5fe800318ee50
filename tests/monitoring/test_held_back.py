"""What Alertmanager groups, repeats and holds back, by what a person reads in Slack."""

from pathlib import Path

import pytest

from tests.monitoring import objects
from tests.monitoring.alerting import NAMESPACE, Alerting, alerting
from tests.monitoring.fixtures import wait_for

pytestmark = pytest.mark.slow

OUTAGES = ("TaskPulseAbsent", "TaskPulseTargetDown", "TaskPulseDatabaseDown")
CONSEQUENCES = ("TaskPulseCollectorStale", "TaskPulseEventsLate", "TaskPulsePoolExhausted")


def labels(name: str, severity: str, namespace: str = NAMESPACE, **more: str) -> dict[str, str]:
    return {"alertname": name, "severity": severity, "namespace": namespace, "job": "taskpulse-api", **more}


@pytest.mark.parametrize("outage", OUTAGES)
def test_an_outage_holds_back_its_consequences_and_nothing_else(outage: str, alertmanager: Alerting) -> None:
    alertmanager.post(labels(outage, "critical"))
    alertmanager.settled(labels(outage, "critical"))
    warnings = {name: labels(name, "warning") for name in objects.alerts()}
    for warning in warnings.values():
        alertmanager.post(warning)
    held = {name for name, warning in warnings.items() if alertmanager.settled(warning)["inhibitedBy"]}
    assert held == {outage, *CONSEQUENCES}


@pytest.mark.parametrize("name", ["TaskPulseWorkerQuiet", "TaskPulseErrorBudgetBurn", "TaskPulseCrashLooping"])
def test_another_critical_alert_holds_back_its_own_warning_only(name: str, alertmanager: Alerting) -> None:
    alertmanager.post(labels(name, "critical"))
    alertmanager.settled(labels(name, "critical"))
    warnings = {other: labels(other, "warning") for other in objects.alerts()}
    for warning in warnings.values():
        alertmanager.post(warning)
    assert {other for other, warning in warnings.items() if alertmanager.settled(warning)["inhibitedBy"]} == {name}


def test_no_warning_holds_anything_back(alertmanager: Alerting) -> None:
    alertmanager.post(labels("TaskPulseDatabaseDown", "warning"))
    alertmanager.settled(labels("TaskPulseDatabaseDown", "warning"))
    for consequence in (labels("TaskPulseEventsLate", "warning"), labels("TaskPulseDatabaseDown", "warning", pod="b")):
        alertmanager.post(consequence)
        assert not alertmanager.settled(consequence)["inhibitedBy"]


def test_alerts_of_one_name_make_one_message_and_others_their_own(alertmanager: Alerting) -> None:
    for pod in ("a", "b"):
        alertmanager.post(labels("TaskPulseContainerRestarts", "warning", pod=pod))
    alertmanager.post(labels("TaskPulseAtMaximumScale", "warning"))
    alertmanager.message("FIRING (2 alerts)", "TaskPulseContainerRestarts in taskpulse")
    alertmanager.message("FIRING ·", "TaskPulseAtMaximumScale in taskpulse")


def test_what_goes_on_is_told_again(tmp_path: Path) -> None:
    """Every four hours, which are eight seconds here."""
    with alerting(tmp_path, factor=1800) as alertmanager:
        alertmanager.post(labels("TaskPulseMigrationsPending", "warning"))
        wait_for(lambda: len(alertmanager.slack.messages) >= 2 or None, 60, "second message", str)
        first, second = alertmanager.slack.messages[:2]
        assert first.title == second.title
        assert second.received - first.received > 7


def test_the_end_is_told(alertmanager: Alerting) -> None:
    for severity in ("critical", "warning"):
        alert = labels("TaskPulseTasksOverdue", severity)
        alertmanager.post(alert)
        alertmanager.message("FIRING", severity, "TaskPulseTasksOverdue")
        alertmanager.post(alert, ended=True)
        alertmanager.message("RESOLVED", severity, "TaskPulseTasksOverdue")


def test_a_warning_that_was_told_and_held_back_is_told_to_be_over(alertmanager: Alerting) -> None:
    """The rules end it after the critical alert, as test_burn_rates.py shows."""
    warning, critical = (labels("TaskPulseWorkerQuiet", severity) for severity in ("warning", "critical"))
    alertmanager.post(warning)
    alertmanager.message("FIRING", "warning", "TaskPulseWorkerQuiet")
    alertmanager.post(critical)
    wait_for(lambda: alertmanager.settled(warning)["inhibitedBy"] or None, 30, "inhibition", str)
    alertmanager.message("FIRING", "critical", "TaskPulseWorkerQuiet")
    alertmanager.post(critical, ended=True)
    alertmanager.post(warning, ended=True)
    alertmanager.message("RESOLVED", "critical", "TaskPulseWorkerQuiet")
    alertmanager.message("RESOLVED", "warning", "TaskPulseWorkerQuiet")

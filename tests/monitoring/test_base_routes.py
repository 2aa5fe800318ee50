"""What Alertmanager's base configuration does with alerts that are not TaskPulse's own, and with the Watchdog."""

from collections.abc import Iterator

import pytest

from tests.monitoring.alerting import Alerting, alerting
from tests.monitoring.fixtures import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("base-routes")]

LINKS = {"summary": "Something is wrong.", "description": "Here.", "runbook_url": "https://runbooks.example.com/it"}


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alerting]:
    with alerting(tmp_path_factory.mktemp("base")) as running:
        yield running


def labels(name: str, severity: str, namespace: str) -> dict[str, str]:
    return {"alertname": name, "severity": severity, "namespace": namespace}


HEARD = [
    labels("TargetDown", "warning", "kube-system"),
    labels("AlertmanagerFailedToSendAlerts", "warning", "monitoring"),
    labels("PrometheusNotIngestingSamples", "warning", "monitoring"),
    labels("KubePersistentVolumeFillingUp", "warning", "monitoring"),
    labels("NodeFilesystemSpaceFillingUp", "warning", "kube-system"),
    labels("KubeDeploymentReplicasMismatch", "warning", "taskpulse"),
    labels("KubeNodeNotReady", "critical", "kube-system"),
]
UNHEARD = [
    labels("TargetDown", "warning", "taskpulse"),
    labels("KubePodCrashLooping", "warning", "taskpulse"),
    labels("KubeHpaMaxedOut", "warning", "taskpulse"),
    labels("TaskPulseDatabaseDown", "critical", "taskpulse-elsewhere"),
    labels("KubePodNotReady", "warning", "kube-system"),
    labels("CPUThrottlingHigh", "info", "taskpulse"),
]


def test_what_is_heard_is_told_once_and_its_links_work(alertmanager: Alerting) -> None:
    for each in [*UNHEARD, *HEARD]:
        alertmanager.post(each, annotations=LINKS)
    titles = [alertmanager.message("FIRING", f"{each['alertname']} in {each['namespace']}").title for each in HEARD]
    for each in UNHEARD:
        alertmanager.settled(each)
    assert sorted(m.title for m in alertmanager.slack.messages) == sorted(titles)
    for message in alertmanager.slack.messages:
        assert "<https://runbooks.example.com/it|What to do>" in message.text
        assert "<|" not in message.text
    assert "FIRING · warning · TargetDown in kube-system" in titles


def test_the_watchdog_is_heard_outside_again_and_again(alertmanager: Alerting) -> None:
    alertmanager.post(labels("Watchdog", "none", "monitoring"))
    wait_for(lambda: len(alertmanager.pings) >= 3 or None, 60, "third ping", lambda: str(alertmanager.pings))
    assert {(ping["status"], ping["groupLabels"]["alertname"]) for ping in alertmanager.pings} == {
        ("firing", "Watchdog")
    }
    assert not [message for message in alertmanager.slack.messages if "Watchdog" in message.title]

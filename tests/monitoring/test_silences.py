"""The link to a silence in a message silences what the message tells of, and nothing more."""

import pytest

from tests.monitoring import objects
from tests.monitoring.alerting import Alerting, labels_of

pytestmark = pytest.mark.slow

TWO_SEVERITIES = {
    name: rules
    for name, rules in objects.alerts().items()
    if {"warning", "critical"} <= {rule["labels"]["severity"] for rule in rules}
}


def test_there_are_alerts_with_two_severities() -> None:
    assert len(TWO_SEVERITIES) == 5


@pytest.mark.parametrize("name", TWO_SEVERITIES)
def test_the_silence_of_a_warning_leaves_the_critical_alone(name: str, alertmanager: Alerting) -> None:
    rules = TWO_SEVERITIES[name]
    warning = labels_of(next(rule for rule in rules if rule["labels"]["severity"] == "warning"))
    alertmanager.post(warning)
    alertmanager.silence(alertmanager.message("FIRING", "warning", f"{name} in").text)
    for critical in (labels_of(rule) for rule in rules if rule["labels"]["severity"] == "critical"):
        alertmanager.post(critical)
        assert alertmanager.settled(critical)["silencedBy"] == []
    alertmanager.message("FIRING", "critical", f"{name} in")
    assert len(alertmanager.settled(warning)["silencedBy"]) == 1


@pytest.mark.parametrize(
    ("alert", "one", "other"),
    [
        ("TaskPulsePoolExhausted", {"pod": "taskpulse-api-a"}, {"pod": "taskpulse-api-b"}),
        ("TaskPulseCallsRefused", {"reason": "long_polls"}, {"reason": "connections"}),
        ("TaskPulseTasksOverdue", {"queue": "a b&c<d>,e+f/g%"}, {"queue": "other"}),
    ],
)
def test_the_silence_of_one_leaves_its_like_alone(
    alert: str, one: dict[str, str], other: dict[str, str], alertmanager: Alerting
) -> None:
    [rule] = objects.alerts()[alert]
    silenced, heard = labels_of(rule, **one), labels_of(rule, **other)
    alertmanager.post(silenced)
    alertmanager.silence(alertmanager.message("FIRING", f"{alert} in").text)
    alertmanager.post(heard)
    assert alertmanager.settled(heard)["silencedBy"] == []
    assert len(alertmanager.settled(silenced)["silencedBy"]) == 1

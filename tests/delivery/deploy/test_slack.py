"""Slack gets a message when a deploy fails, is put back, or is good again."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from delivery.deploy.release import FAILED, GOOD, PUT_BACK, STARTED, Record, Release
from delivery.deploy.report import Report
from delivery.deploy.slack import Receiver, message_of, post, receivers
from delivery.deploy.state import Deploy
from monitoring.local.receivers import SlackWebhook
from tests.delivery.deploy.project import Project
from tests.support.cluster.controlplane import free_ports
from tests.support.cluster.kubelet import CRASHES

CHANNEL = "#taskpulse-dev-alerts"
RELEASE = Release("dev", "taskpulse-dev", 40 * "a", "taskpulse-api@sha256:1", [], {})


@pytest.fixture
def webhook() -> Iterator[SlackWebhook]:
    (port,) = free_ports(1)
    with SlackWebhook(port) as listening:
        yield listening


def ended(outcome: str, *states: str) -> Deploy:
    """A deploy of release 2 that came to `outcome`, after others with these states."""
    deploy = Deploy(RELEASE.namespace, lambda _: RELEASE, Report(as_json=False), 1, 0)
    deploy.past = [Record(1, RELEASE, state) for state in states]
    deploy.record = Record(2, RELEASE)
    deploy.outcome = outcome
    return deploy


@pytest.mark.parametrize(
    ("outcome", "before", "title"),
    [
        ("failed", [GOOD], "FAILED · Deploy to dev"),
        ("unfinished", [GOOD], "FAILED · Deploy to dev"),
        ("rolled back", [GOOD], "PUT BACK · Deploy to dev"),
        ("deployed", [GOOD, PUT_BACK], "RECOVERED · Deploy to dev"),
        ("deployed", [GOOD, FAILED], "RECOVERED · Deploy to dev"),
        ("deployed", [GOOD, STARTED], "RECOVERED · Deploy to dev"),
        ("deployed", [PUT_BACK, GOOD], None),
        ("deployed", [GOOD], None),
        ("deployed", [], None),
        ("refused", [FAILED], None),
    ],
)
def test_who_is_told_what(outcome: str, before: list[str], title: str | None) -> None:
    message = message_of(ended(outcome, *before), "Deploy to dev", "a pod crashed")
    assert (message.title if message else None) == title


def test_nobody_is_told_of_what_never_began() -> None:
    deploy = ended("failed")
    deploy.record = None
    assert message_of(deploy, "Deploy to dev", "no lock") is None


def test_a_reason_is_text_and_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SERVER_URL": "https://github.example", "REPOSITORY": "team/taskpulse", "RUN_ID": "7"}.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)
    message = message_of(ended("failed", GOOD), "Deploy to dev", "<!channel> & " + 5000 * "x")
    assert message is not None
    assert message.text.startswith("&lt;!channel&gt; &amp; xxx")
    assert len(message.text) < 2000
    assert message.text.endswith("<https://github.example/team/taskpulse/actions/runs/7|What to see>")


def test_the_channels_are_those_of_the_alerts() -> None:
    url = {"name": "taskpulse-alerting", "key": "slack-webhook-url"}
    sent = [{"channel": CHANNEL, "apiURL": url}]
    spec = {"receivers": [{"name": "nobody"}, {"name": "a", "slackConfigs": sent}, {"name": "b", "slackConfigs": sent}]}
    config = {"kind": "AlertmanagerConfig", "spec": spec}
    release = Release("dev", "taskpulse-dev", "", "", [config], {})
    assert list(receivers(release)) == [Receiver(CHANNEL, "taskpulse-alerting", "slack-webhook-url")]


BODY: dict[str, Any] = {
    "channel": CHANNEL,
    "attachments": [{"title": "FAILED", "text": "a pod crashed", "color": "danger"}],
}


def test_a_message_arrives(webhook: SlackWebhook) -> None:
    assert post(webhook.url, BODY) == ""
    assert [(each.channel, each.title, each.color) for each in webhook.messages] == [(CHANNEL, "FAILED", "danger")]


def test_a_webhook_that_is_away_for_a_moment_is_asked_again() -> None:
    (port,) = free_ports(1)
    with ExitStack() as stack:
        started: list[SlackWebhook] = []

        def start(_: float) -> None:
            started.append(stack.enter_context(SlackWebhook(port)))

        assert post(f"http://127.0.0.1:{port}/services/slack", BODY, sleep=start) == ""
        assert len(started[0].messages) == 1


def test_a_webhook_that_stays_away_is_said_without_its_address() -> None:
    (port,) = free_ports(1)
    assert post(f"http://127.0.0.1:{port}/secret", BODY, sleep=lambda _: None) == "ConnectError"
    assert post("no address", BODY, sleep=lambda _: None) == "UnsupportedProtocol"


def tell_slack(project: Project, url: str) -> None:
    (project.secrets / "taskpulse-slack-webhook").write_text(url)
    (project.secrets / "taskpulse-smtp-password").write_text("a password")


@pytest.mark.slow
def test_it_works(project: Project, webhook: SlackWebhook) -> None:
    tell_slack(project, webhook.url)
    project.deployed()
    assert webhook.messages == []

    second = project.commit()
    failed = project.deploy(CRASHES)
    assert failed.returncode == 1
    assert f"    This is told in {CHANNEL}\n" in failed.stdout
    (message,) = webhook.messages
    assert (message.channel, message.color) == (CHANNEL, "warning")
    assert message.title == f"PUT BACK · Deploy to {project.overlay}"
    assert "CrashLoopBackOff" in message.text
    assert "The last good release runs again." in message.text
    assert second[:12] in message.text

    project.deployed()
    message = webhook.messages[-1]
    assert (message.color, message.title) == ("good", f"RECOVERED · Deploy to {project.overlay}")
    assert len(webhook.messages) == 2
    assert {revision for _, revision in project.running()} == {second}


@pytest.mark.slow
def test_a_rollback_reads_the_webhook_from_the_cluster(project: Project, webhook: SlackWebhook) -> None:
    tell_slack(project, webhook.url)
    project.deployed()
    project.commit()
    project.deployed()
    project.deploy(CRASHES)
    webhook.messages.clear()
    result = project.delivery("rollback", str(project.overlay))
    assert result.returncode == 0, result.stderr
    assert [each.title for each in webhook.messages] == [f"RECOVERED · Rollback of {project.overlay}"]


@pytest.mark.slow
def test_a_webhook_that_is_away_does_not_fail_a_good_release(project: Project) -> None:
    (port,) = free_ports(1)
    secret = f"http://127.0.0.1:{port}/services/T0/B0/x"
    tell_slack(project, secret)
    project.deployed()
    project.commit()
    project.deploy(CRASHES)
    result = project.deploy()
    assert result.returncode == 0, result.stderr
    assert f"    This cannot be told in {CHANNEL}: ConnectError\n" in result.stdout
    assert secret not in result.stdout + result.stderr

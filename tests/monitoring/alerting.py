"""Alertmanager alone, with the real routes: tests post alerts to it, and read what Slack gets."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import httpx
import yaml

from delivery.manifests import Object
from delivery.tools.program import run
from monitoring.local import configuration
from monitoring.local.receivers import SlackMessage, SlackWebhook
from monitoring.local.shorter import shorten
from monitoring.local.stack import Stack
from tests.monitoring import objects
from tests.monitoring.fixtures import wait_for
from tests.monitoring.pings import Pings
from tests.support.service import free_port

NAMESPACE = "taskpulse"


class Alerting:
    """A running Alertmanager and the webhook that takes its messages."""

    def __init__(self, stack: Stack, slack: SlackWebhook, pings: list[Object]) -> None:
        self.stack = stack
        self.slack = slack
        self.pings = pings

    def post(self, labels: dict[str, str], *, annotations: dict[str, str] | None = None, ended: bool = False) -> None:
        """Post an alert as Prometheus does; it fires until it is posted with `ended`."""
        until = time.time() + (0 if ended else 3600)
        alert = {
            "labels": labels,
            "annotations": annotations or {"summary": f"About {labels['alertname']}."},
            "startsAt": moment(time.time() - 60),
            "endsAt": moment(until),
        }
        httpx.post(f"{self.stack.alertmanager}/api/v2/alerts", json=[alert]).raise_for_status()

    def message(self, *words: str, within_s: float = 30) -> SlackMessage:
        """Wait for a message whose title holds all of some words."""
        return wait_for(
            lambda: next((m for m in self.slack.messages if all(word in m.title for word in words)), None),
            within_s,
            f"a Slack message with {words}",
            lambda: "\n".join(m.title for m in self.slack.messages) + f"\n{self.stack.alerts()}",
        )

    def settled(self, labels: dict[str, str]) -> Object:
        """Wait until Alertmanager has processed an alert, and return what it says of it."""
        return wait_for(
            lambda: next(
                (
                    each["status"]
                    for each in self.stack.alerts()
                    if labels.items() <= each["labels"].items() and each["status"]["state"] != "unprocessed"
                ),
                None,
            ),
            30,
            f"processed alert {labels}",
            lambda: str(self.stack.alerts()),
        )

    def silence(self, text: str) -> None:
        """Follow the link to a silence that a message carries, with Alertmanager's own tool."""
        [filters] = re.findall(r"/#/silences/new\?filter=([^|\s>]+)", text)
        matchers = unquote(filters).removeprefix("{").removesuffix("}").split(", ")
        added = run(
            "amtool",
            "silence",
            "add",
            f"--alertmanager.url={self.stack.alertmanager}",
            "--author=oncall",
            "--comment=known",
            *matchers,
        )
        assert added.returncode == 0, added.stdout + added.stderr


def moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + ".000Z"


def labels_of(rule: Object, **more: str) -> dict[str, str]:
    """Labels of an alert that a rule fires in the namespace of overlay main."""
    return {"alertname": rule["alert"], "namespace": NAMESPACE, "job": "taskpulse-api", **rule["labels"], **more}


@contextmanager
def alerting(folder: Path, factor: int = 60) -> Iterator[Alerting]:
    """Run Alertmanager with the routes of overlay main, and waiting times divided by `factor`."""
    stack = Stack(folder / "stack", free_port(), free_port())
    folder.mkdir(exist_ok=True)
    with SlackWebhook(free_port()) as slack, Pings(free_port()) as pings, stack:
        secrets = {"slack-webhook-url": slack.url, "smtp-password": "a password"}
        base = configuration.base("main")
        address_file = folder / "slack-webhook-url"
        address_file.write_text(slack.url, "utf-8")
        for receiver in base["receivers"]:
            for webhook in receiver.get("webhook_configs", []):
                webhook["url"] = pings.url
            for each in receiver.get("slack_configs", []):
                each["api_url_file"] = str(address_file)  # in a cluster, the Secret is mounted
        routes = configuration.alertmanager(objects.overlay("main"), base, secrets, folder)
        for receiver in routes["receivers"]:
            receiver.pop("email_configs", None)  # test_end_to_end.py has the mailbox
        stack.folder.mkdir(parents=True)
        (stack.folder / "alertmanager.yaml").write_text(yaml.safe_dump(shorten(routes, factor)), "utf-8")
        stack.start_alertmanager()
        yield Alerting(stack, slack, pings.received)

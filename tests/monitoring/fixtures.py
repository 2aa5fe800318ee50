"""The whole way of an alert: service, Prometheus, Alertmanager, Slack, mailbox."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from app.dev.postgres import EmbeddedPostgres
from delivery.manifests import Render
from delivery.render import render
from monitoring.local import configuration
from monitoring.local.receivers import SlackMessage, SlackWebhook
from monitoring.local.shorter import shorten
from monitoring.local.stack import Stack
from tests.monitoring.mailbox import Mail, Mailbox
from tests.support.service import Service, free_port, fresh_database

ROOT = Path(__file__).parents[2]


@dataclass
class Watched:
    """A service that is watched, with all that can happen to it."""

    postgres: EmbeddedPostgres
    service: Service
    client: httpx.Client
    stack: Stack
    slack: SlackWebhook
    mailbox: Mailbox

    def message(self, *, since: float, within_s: float, words: list[str]) -> SlackMessage:
        """Wait for a message in Slack whose title holds all of some words."""
        return wait_for(
            lambda: next(
                (m for m in self.slack.messages if m.received > since and all(w in m.title for w in words)), None
            ),
            within_s,
            f"a Slack message with {words}",
            lambda: "\n".join(m.title for m in self.slack.messages) + f"\n{self.stack.query('ALERTS')}",
        )

    def mail(self, *, since: float, within_s: float, words: list[str]) -> Mail:
        """Wait for a mail whose subject holds all of some words."""
        return wait_for(
            lambda: next(
                (m for m in self.mailbox.mails if m.received > since and all(w in m.subject for w in words)), None
            ),
            within_s,
            f"a mail with {words}",
            lambda: (
                "\n".join(m.subject for m in self.mailbox.mails)
                + (self.stack.folder / "alertmanager.log").read_text("utf-8")[-3000:]
            ),
        )


T = TypeVar("T")


def wait_for(find: Callable[[], T | None], within_s: float, what: str, seen: Callable[[], str]) -> T:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        found = find()
        if found is not None:
            return found
        time.sleep(0.05)
    pytest.fail(f"no {what} within {within_s} s; there were:\n{seen()}")


def overlay_with_mail_server(folder: Path, port: int) -> Render:
    """Render overlay main with the test's mail server in its settings, and nothing else changed."""
    for name in ("base", "monitoring", "overlays"):
        shutil.copytree(ROOT / name, folder / name)
    settings = folder / "overlays" / "main" / "settings.yaml"
    text = settings.read_text("utf-8")
    assert text.count("smtp.example.com:587") == 1
    settings.write_text(text.replace("smtp.example.com:587", f"localhost:{port}"), "utf-8")
    return Render.parse("main", render("main", folder))


def watch(folder: Path, factor: int) -> Iterator[Watched]:
    """Run everything, with waiting times divided by `factor`."""
    port = free_port()
    overlay = overlay_with_mail_server(folder / "checkout", port)
    flags = configuration.alert_flags()
    if factor > 1:  # after a restart of Prometheus, alerts that wait less than this start over
        flags["for-grace-period"] = "1s"
    stack = Stack(folder / "stack", free_port(), free_port(), flags)
    with (
        EmbeddedPostgres(folder / "postgres", {"fsync": "off"}) as postgres,
        Service(fresh_database(postgres), folder / "service.log") as service,
        httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {service.key}"}) as client,
        SlackWebhook(free_port()) as slack,
        Mailbox(port, "taskpulse@example.com", "a password", folder) as mailbox,
        stack,
    ):
        routes = configuration.alertmanager(
            overlay,
            configuration.base("main"),
            {"slack-webhook-url": slack.url, "smtp-password": "a password"},
            folder,
        )
        stack.write(
            prometheus=shorten(
                configuration.prometheus(overlay, "scrape-me", [service.port], stack.alertmanager_port), factor
            ),
            rules=shorten(configuration.rules(overlay), factor),
            alertmanager=shorten(routes, factor),
        )
        stack.start({**os.environ, "SSL_CERT_FILE": str(mailbox.certificate)})
        yield Watched(postgres, service, client, stack, slack, mailbox)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    yield from watch(tmp_path_factory.mktemp("watched"), 30)

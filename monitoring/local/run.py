"""`make run-monitoring`: the service, watched, with a worker that goes quiet."""

import itertools
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
import httpx

from delivery.cli.command import Command
from delivery.errors import DeliveryError
from delivery.manifests import Render
from delivery.render import render
from monitoring.local import configuration
from monitoring.local.receivers import SlackMessage, SlackWebhook
from monitoring.local.shorter import shorten
from monitoring.local.stack import Stack

FACTOR = 10
FC = TypeVar("FC", bound=Callable[..., Any] | click.Command)
START_TIMEOUT_S = 60

_BANNER = """
TaskPulse is watched. Every waiting time is a tenth of the real one; everything else is overlays/dev.
  service       {service}/docs
  Alertmanager  {alertmanager}/#/alerts
  Prometheus    {prometheus}/api/v1/alerts   (this build has no pages)
Worker "night-shift" has just claimed a task, and will not be heard from again. Within a minute its alert appears in
Alertmanager, and here as Slack would show it. To end the alert, take the task over:
  curl -s {service}/v1/tasks/{task}/claim -H 'Authorization: Bearer {key}' \\
    -H 'Content-Type: application/json' -d '{{"worker": "me", "ttl_s": 600}}'
Ctrl-C stops everything.
"""


def port_option(name: str, default: int, what: str) -> Callable[[FC], FC]:
    return click.option(
        name, type=click.IntRange(1, 65535), default=default, show_default=True, help=f"{what} port on 127.0.0.1."
    )


@click.command(cls=Command)
@port_option("--port", 8000, "The service's")
@port_option("--prometheus-port", 9090, "Prometheus'")
@port_option("--alertmanager-port", 9093, "Alertmanager's")
@port_option("--webhook-port", 9095, "The stand-in for Slack's")
@click.option("--data", type=click.Path(path_type=Path), default=Path(".data"), show_default=True, help="Data folder.")
def main(port: int, prometheus_port: int, alertmanager_port: int, webhook_port: int, data: Path) -> None:
    """Run the service with Prometheus and Alertmanager beside it, sample load, and a worker that goes quiet."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    refuse_taken(
        {
            "PORT": port,
            "PROMETHEUS_PORT": prometheus_port,
            "ALERTMANAGER_PORT": alertmanager_port,
            "WEBHOOK_PORT": webhook_port,
        }
    )
    folder = data.resolve() / "monitoring"
    stack = Stack(folder, prometheus_port, alertmanager_port, configuration.alert_flags())
    with service(port, data) as key, SlackWebhook(webhook_port, tell) as slack, stack:
        shutil.rmtree(folder, ignore_errors=True)  # an earlier run's alerts would come back
        configure(stack, slack, port, key)
        stack.start()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}) as client:
            quiet, _ = claim_kept(client, "Count the stars", "night", "night-shift", 5)
            click.echo(
                _BANNER.format(
                    service=f"http://127.0.0.1:{port}",
                    alertmanager=stack.alertmanager,
                    prometheus=stack.prometheus,
                    task=quiet,
                    key=key,
                )
            )
            try:
                work(client)
            except KeyboardInterrupt:
                click.echo("Stopping ...")


def refuse_taken(ports: dict[str, int]) -> None:
    """Raise DeliveryError when two of some ports are the same, or something listens on one of them on loopback.

    `ports` has them by the names that `make` takes.
    """
    names: dict[int, str] = {}
    for name, port in ports.items():
        if port in names:
            raise DeliveryError(f"{names[port]} and {name} are both {port}: choose another for one of them.")
        names[port] = name
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                raise DeliveryError(
                    f"Port {port} of 127.0.0.1 is taken: stop what listens there, or choose another by {name}=."
                )


@contextmanager
def service(port: int, data: Path) -> Iterator[str]:
    """Run `taskpulse dev`, and give its key once it is ready.

    Raises DeliveryError when it does not get ready.
    """
    data.mkdir(parents=True, exist_ok=True)
    log = data / "service.log"
    command = [str(Path(sys.executable).with_name("taskpulse")), "dev", "--port", str(port), "--data", str(data)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not ready(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise DeliveryError(f"The service does not start:\n{log.read_text('utf-8')[-2000:]}")
            time.sleep(0.2)
        yield next(data.rglob("key")).read_text("utf-8").strip()
    finally:
        process.terminate()
        process.wait(timeout=60)


def ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/ready").status_code == 200
    except httpx.TransportError:
        return False


def configure(stack: Stack, slack: SlackWebhook, port: int, key: str) -> None:
    """Write what overlay dev gives, with shorter waiting times."""
    stack.folder.mkdir(parents=True, exist_ok=True)
    overlay = Render.parse("dev", render("dev"))
    routes = configuration.alertmanager(
        overlay, configuration.base("dev"), {"slack-webhook-url": slack.url}, stack.folder
    )
    stack.write(
        prometheus=shorten(configuration.prometheus(overlay, key, [port], stack.alertmanager_port), FACTOR),
        rules=shorten(configuration.rules(overlay), FACTOR),
        alertmanager=shorten(routes, FACTOR),
    )


def tell(message: SlackMessage) -> None:
    click.echo(f"\n--- Slack, {time.strftime('%H:%M:%S')}\n{message}")


def claim_kept(client: httpx.Client, title: str, label: str, worker: str, ttl_s: int) -> tuple[str, str]:
    """Claim the task that is kept for a worker from run to run, or a new one; return its id and the lease's token."""
    claim = {"worker": worker, "ttl_s": ttl_s, "labels": [label]}
    claimed = client.post("/v1/tasks/claim", json=claim).raise_for_status()
    if claimed.status_code == 204:
        task = {"title": title, "labels": [label], "max_attempts": 1000}
        client.post("/v1/tasks", json=task).raise_for_status()
        claimed = client.post("/v1/tasks/claim", json=claim).raise_for_status()
    [item] = claimed.json()["items"]
    return item["task"]["id"], item["lease"]["token"]


def work(client: httpx.Client) -> None:
    """Keep one task for as long as this runs, and create, claim and complete others, until interrupted."""
    kept, token = claim_kept(client, "Keep watch", "watch", "day-shift", 60)
    for number in itertools.count(1):
        client.post(f"/v1/tasks/{kept}/pulse", json={"token": token}).raise_for_status()
        client.post("/v1/tasks", json={"title": f"Sample task {number}", "labels": ["day"]}).raise_for_status()
        claimed = client.post("/v1/tasks/claim", json={"worker": "day-shift", "ttl_s": 60, "labels": ["day"]})
        for item in claimed.raise_for_status().json()["items"]:
            url = f"/v1/tasks/{item['task']['id']}/complete"
            client.post(url, json={"token": item["lease"]["token"]}).raise_for_status()
        client.get("/v1/tasks", params={"limit": 10}).raise_for_status()
        time.sleep(0.5)


if __name__ == "__main__":
    main(prog_name="make run-monitoring")

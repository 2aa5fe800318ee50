"""`make run-monitoring`: the service, watched, with a worker that goes quiet."""

import fcntl
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
from delivery.manifests import Object, Render
from delivery.render import render
from monitoring.local import configuration
from monitoring.local.examples import Examples
from monitoring.local.receivers import SlackMessage, SlackWebhook
from monitoring.local.shorter import shorten
from monitoring.local.stack import Stack

FACTOR = 10
FC = TypeVar("FC", bound=Callable[..., Any] | click.Command)
START_TIMEOUT_S = 180  # a new database takes a busy machine a minute

_BANNER = """
TaskPulse is watched. Every waiting time is a tenth of the real one; everything else is overlays/dev.
The tasks are examples, in a database that is gone after this. What `make run` has stays as it is.
  board         {service}/board   (sign in with the key {key})
  service       {service}/docs
  Alertmanager  {alertmanager}/#/alerts
  Prometheus    {prometheus}/api/v1/alerts   (this build has no pages)
Worker "night-shift" has just claimed a task, and will not be heard from again. One task is overdue, and one has
failed. Within a minute their alerts appear in Alertmanager, and here as Slack would show them. To end the first,
take the task over:
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
    key_file = data.resolve() / "key"
    stack = Stack(folder, prometheus_port, alertmanager_port, configuration.alert_flags())
    with (
        alone(folder.with_suffix(".lock")),
        service(port, emptied(folder), key_file) as key,
        SlackWebhook(webhook_port, tell) as slack,
        stack,
    ):
        configure(stack, slack, port, key)
        stack.start()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}) as client:
            examples = Examples(client)
            click.echo(
                _BANNER.format(
                    service=f"http://127.0.0.1:{port}",
                    alertmanager=stack.alertmanager,
                    prometheus=stack.prometheus,
                    task=examples.quiet,
                    key=key,
                )
            )
            try:
                while True:
                    examples.step()
                    time.sleep(0.5)
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
def alone(file: Path) -> Iterator[None]:
    """Hold a lock on a file; the system lets go of it when the process ends in whatever way.

    Raises DeliveryError when another process holds it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DeliveryError(
                f"Another `make run-monitoring` uses {file.parent}: stop it, or choose another folder by DATA=."
            ) from None
        yield


def emptied(folder: Path) -> Path:
    """Make a folder new, and return it: an earlier run's tasks and alerts would come back."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


@contextmanager
def service(port: int, folder: Path, key: Path) -> Iterator[str]:
    """Run `taskpulse dev` with a new database in `folder`, and give its key once it is ready.

    The key is the one in the file `key`, which is that of `make run`. If there is none yet, `make run` will take this.

    Raises DeliveryError when it does not get ready.
    """
    data, log = folder / "service", folder / "service.log"
    data.mkdir()
    if key.exists():
        shutil.copy(key, data / "key")
    command = [str(Path(sys.executable).with_name("taskpulse")), "dev", "--port", str(port), "--data", str(data)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not ready(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise DeliveryError(f"The service does not start:\n{log.read_text('utf-8')[-2000:]}")
            time.sleep(0.2)
        shutil.copy(data / "key", key)
        yield key.read_text("utf-8").strip()
    finally:
        process.terminate()
        process.wait(timeout=60)
        shutil.rmtree(data, ignore_errors=True)


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
        rules=shorten(leading_to(f"http://127.0.0.1:{port}", configuration.rules(overlay)), FACTOR),
        alertmanager=shorten(routes, FACTOR),
    )


def leading_to(service: str, rules: Object) -> Object:
    """Return rules whose links to the board lead to the service at an address."""
    for group in rules["groups"]:
        for rule in group["rules"]:
            if url := rule.get("annotations", {}).get("board_url"):
                rule["annotations"]["board_url"] = f"{service}/board{url.partition('/board')[2]}"
    return rules


def tell(message: SlackMessage) -> None:
    click.echo(f"\n--- Slack, {time.strftime('%H:%M:%S')}\n{message}")


if __name__ == "__main__":
    main(prog_name="make run-monitoring")

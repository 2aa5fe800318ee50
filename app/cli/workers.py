"""Commands that run another command for a task: work, run."""

import os
import shutil
import socket
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import click

from app.cli.errors import fail, refuse
from app.cli.options import URL, Duration, api_key, key_file


def _for_workers(command: Callable[..., None]) -> Callable[..., None]:
    """Add what `work` and `run` have in common."""
    options: list[Callable[[Callable[..., None]], Callable[..., None]]] = [
        URL,
        key_file("Its scopes: work; for `run` also read and write."),
        click.option(
            "--worker",
            default=lambda: f"{socket.gethostname()}-{os.getpid()}",
            help="Name that others see; default: host and process.",
        ),
        click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command("work", context_settings={"allow_interspersed_args": False})
@click.option("--label", "labels", multiple=True, help="Only tasks with this label; repeat it for any of several.")
@click.option("--ttl", default=60, show_default=True, type=click.IntRange(1, 86_400), help="Seconds a lease lasts.")
@click.option(
    "--on-expiry",
    type=click.Choice(["continue", "stop"]),
    default="continue",
    show_default=True,
    help="Whether the command goes on when its lease has run out while the API could not be reached.",
)
@_for_workers
def work_on_tasks(
    *,
    labels: tuple[str, ...],
    ttl: int,
    on_expiry: str,
    url: str,
    key_file: Path | None,
    worker: str,
    command: tuple[str, ...],
) -> None:
    """Claim tasks, one after the other, and run COMMAND for each.

    The command gets the task as JSON on standard input. While it runs, its lease is kept alive. Exit status 0
    completes the task, any other fails it, with the last lines of output as result or error. The command and its
    children are ended when the task is cancelled or the lease is lost. SIGTERM (or Ctrl-C) lets the task at hand be
    finished and then ends the worker; a second one gives the task back at once.

    Any answer that is not the API's own is tried again, with growing pauses; a finished task is reported until the
    API has decided. When nobody reads the worker's output, it is dropped and counted, and the work goes on.

    Exit status: 0 after a signal, with no lease left; 1 when the API refuses the key or a claim, the command cannot be
    started, or a second signal came before the API knew how the task ended; 2 for wrong arguments.
    """
    import asyncio

    from app.client.answers import RefusedError
    from app.client.output import streams
    from app.client.work import work

    streams()
    _refuse_missing(command)
    key = api_key(key_file)
    try:
        in_order = asyncio.run(
            work(url, key, worker, command, labels=labels, ttl_s=ttl, stop_on_expiry=on_expiry == "stop")
        )
    except RefusedError as error:
        fail(f"the API refuses to let this worker claim: {error}")
    except OSError as error:
        fail(f"{command[0]!r} cannot be started: {error.strerror}.")
    sys.exit(0 if in_order else 1)


@click.command("run", context_settings={"allow_interspersed_args": False})
@click.option("--title", required=True, help="The tasks' title; it tells one script from another.")
@click.option("--every", required=True, type=Duration(), help="How often it is started, as in 24h.")
@click.option("--grace", required=True, type=Duration(), help="How long it may take, or be late.")
@_for_workers
def run_script(
    *,
    title: str,
    every: timedelta,
    grace: timedelta,
    url: str,
    key_file: Path | None,
    worker: str,
    command: tuple[str, ...],
) -> None:
    """Run COMMAND, a cron job for example, under a task of its own.

    It makes the task of the next run as well. For cron and the like: a script that fails leaves a failed task, one
    that takes longer than the grace goes quiet, and one that is not started again leaves a task that is overdue after
    --every and --grace. The exit status is the command's; 75 if the run before has not ended. The command runs even
    while the API is away.

    Its end is reported for five minutes, until the API has decided. When nobody reads the output, it is dropped and
    counted. SIGTERM ends the command, or keeps it from being started: the exit status is then 128 and the number of the
    signal.
    """
    import asyncio

    from app.client.output import streams
    from app.client.run import run

    streams()
    _refuse_missing(command)
    if not 1 <= len(title) <= 200:
        refuse("--title must have 1 to 200 characters.")
    key = api_key(key_file)
    try:
        status = asyncio.run(run(url, key, worker, command, title=title, every=every, grace=grace))
    except OSError as error:
        fail(f"{command[0]!r} cannot be started: {error.strerror}.")
    sys.exit(status if status >= 0 else 128 - status)


def _refuse_missing(command: Sequence[str]) -> None:
    if shutil.which(command[0]) is None:
        refuse(f"{command[0]!r} is not a command that can be run here. Give its path, and make it executable.")

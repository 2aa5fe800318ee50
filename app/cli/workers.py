"""Commands that run another command for a task: work, run."""

import os
import shutil
import socket
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TextIO

import click

from app.cli.errors import fail, refuse
from app.cli.options import URL, Duration, api_key


def _for_workers(command: Callable[..., None]) -> Callable[..., None]:
    """Add what `work` and `run` have in common."""
    options = [
        URL,
        click.option(
            "--key-file",
            type=click.File(),
            help="A file with the key; without it, TASKPULSE_KEY. Its scopes: work; for `run` also read and write.",
        ),
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
@_for_workers
def work_on_tasks(
    *, labels: tuple[str, ...], ttl: int, url: str, key_file: TextIO | None, worker: str, command: tuple[str, ...]
) -> None:
    """Claim tasks, one after the other, and run COMMAND for each.

    The command gets the task as JSON on standard input. While it runs, its lease is kept alive. Exit status 0
    completes the task, any other fails it, with the last lines of output as result or error. The command and its
    children are ended when the task is cancelled or the lease is lost. SIGTERM (or Ctrl-C) lets the task at hand be
    finished and then ends the worker; a second one gives the task back at once.
    """
    import asyncio

    from app.client.api import RefusedError
    from app.client.work import work

    _refuse_missing(command)
    try:
        asyncio.run(work(url, api_key(key_file), worker, command, labels=labels, ttl_s=ttl))
    except RefusedError as error:
        fail(f"the API refuses to let this worker claim: {error}")
    except OSError as error:
        fail(f"{command[0]!r} cannot be started: {error.strerror}.")


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
    key_file: TextIO | None,
    worker: str,
    command: tuple[str, ...],
) -> None:
    """Run COMMAND, a cron job for example, under a task of its own.

    It makes the task of the next run as well. For cron and the like: a script that fails leaves a failed task, one
    that takes longer than the grace goes quiet, and one that is not started again leaves a task that is overdue after
    --every and --grace. The exit status is the command's; 75 if the run before has not ended. The command runs even
    while the API is away.
    """
    import asyncio

    from app.client.run import run

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

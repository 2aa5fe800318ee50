"""Commands that run another command for a task: work, run."""

import os
import shutil
import socket
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.cli.calls import refusal
from app.cli.errors import fail, refuse
from app.cli.options import TEXT, URL, Duration, api_key, key_file

if TYPE_CHECKING:
    from app.client.schedule import Schedule


def _for_workers(command: Callable[..., None]) -> Callable[..., None]:
    """Add what `work` and `run` have in common."""
    options: list[Callable[[Callable[..., None]], Callable[..., None]]] = [
        URL,
        key_file("Its scopes: work; for `run` also read and write."),
        click.option(
            "--worker",
            type=TEXT,
            default=lambda: f"{socket.gethostname()}-{os.getpid()}",
            help="Name that others see; default: host and process.",
        ),
        click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command("work", context_settings={"allow_interspersed_args": False})
@click.option(
    "--label", "labels", multiple=True, type=TEXT, help="Only tasks with this label; repeat it for any of several."
)
@click.option("--ttl", default=60, show_default=True, type=click.IntRange(1, 86_400), help="Seconds a lease lasts.")
@click.option(
    "--on-expiry",
    type=click.Choice(["continue", "stop"]),
    default="continue",
    show_default=True,
    help="Whether the command continues when its lease has run out because the API could not be reached.",
)
@click.option(
    "--concurrency",
    default=1,
    show_default=True,
    type=click.IntRange(1, 100),
    help="How many commands run at the same time, each for a task of its own.",
)
@_for_workers
def work_on_tasks(
    *,
    labels: tuple[str, ...],
    ttl: int,
    on_expiry: str,
    concurrency: int,
    url: str,
    key_file: Path | None,
    worker: str,
    command: tuple[str, ...],
) -> None:
    """Claim tasks and run COMMAND for each of them.

    COMMAND gets the task as JSON on standard input. While it runs, the worker sends heartbeats. Exit status 0
    completes the task; any other fails it. The last lines of output become the result or the error. If the task is
    cancelled or the lease is lost, the worker ends COMMAND and its children. After SIGTERM or Ctrl-C, the worker
    finishes its current tasks and exits; after a second one, it releases them at once.

    With --concurrency above 1, each line of output begins with the id of its task, as in `ID | printed page 4`.

    The worker retries with growing pauses if the API is away, and reports a finished task until the API has decided.
    If nobody reads the worker's output, it is dropped and counted, and the work continues.

    Exit status: 0 after a signal, with no lease left; 1 if the API refuses the key or a claim, COMMAND cannot be
    started, or a second signal came before the API knew how the task ended; 2 for wrong arguments.
    """
    import asyncio

    from app.client.answers import RefusedError
    from app.client.api import SetupError
    from app.client.output import streams
    from app.client.work import work

    streams()
    _refuse_missing(command)
    key = api_key(key_file)
    try:
        in_order = asyncio.run(
            work(
                url,
                key,
                worker,
                command,
                labels=labels,
                ttl_s=ttl,
                stop_on_expiry=on_expiry == "stop",
                concurrency=concurrency,
            )
        )
    except SetupError as error:
        fail(f"{url}: {error}")
    except RefusedError as error:
        fail(f"This worker cannot claim: {refusal(error)}")
    except OSError as error:
        fail(f"{command[0]!r} cannot be started: {error.strerror}.")
    sys.exit(0 if in_order else 1)


@click.command("run", context_settings={"allow_interspersed_args": False})
@click.option("--title", required=True, type=TEXT, help="The tasks' title; it tells one script from another.")
@click.option("--every", type=Duration(), help="The time from one start to the next, as in 24h.")
@click.option("--cron", metavar="EXPRESSION", help="When it is started, as in '0 3 * * *'; instead of --every.")
@click.option(
    "--timezone", metavar="NAME", help="The time zone of --cron, as in Europe/Berlin; default: this machine's."
)
@click.option("--start-grace", type=Duration(), help="How late a start may be.")
@click.option("--max-runtime", type=Duration(), help="How long a run may take.")
@click.option("--grace", type=Duration(), help="Stands for --start-grace and --max-runtime where they are not given.")
@_for_workers
def run_script(
    *,
    title: str,
    every: timedelta | None,
    cron: str | None,
    timezone: str | None,
    start_grace: timedelta | None,
    max_runtime: timedelta | None,
    grace: timedelta | None,
    url: str,
    key_file: Path | None,
    worker: str,
    command: tuple[str, ...],
) -> None:
    """Run COMMAND, such as a cron job, as a task.

    You get an alert when it fails, is late or takes too long. Each run also creates the task of the next run. If
    COMMAND fails, its task is failed. If it does not start within --start-grace of its time, its task is overdue. If
    it takes longer than --max-runtime, it continues, but its task is overdue and gets no more heartbeats.

    Use --cron for a job that starts at a time of day: with --every 24h, the start after a night of 25 hours is late.

    The exit status is that of COMMAND, or 75 if the run before has not ended. COMMAND runs even if the API is away; its
    end is reported for up to five minutes. If nobody reads the output, it is dropped and counted. SIGTERM ends COMMAND,
    or keeps it from starting: the exit status is then 128 plus the number of the signal.
    """
    import asyncio

    from app.client.output import streams
    from app.client.run import Expectation, run

    streams()
    _refuse_missing(command)
    if not 1 <= len(title) <= 200:
        refuse("--title must have 1 to 200 characters.")
    start_grace, max_runtime = start_grace or grace, max_runtime or grace
    if start_grace is None or max_runtime is None:
        refuse("Give --start-grace and --max-runtime, or --grace for both.")
    expected = Expectation(_schedule(every, cron, timezone), start_grace, max_runtime)
    key = api_key(key_file)
    try:
        status = asyncio.run(run(url, key, worker, command, title=title, expected=expected))
    except OSError as error:
        fail(f"{command[0]!r} cannot be started: {error.strerror}.")
    sys.exit(status if status >= 0 else 128 - status)


def _schedule(every: timedelta | None, cron: str | None, timezone: str | None) -> "Schedule":
    from app.client.schedule import Cron, Every, ScheduleError

    if (every is None) == (cron is None):
        refuse("Give either --every or --cron: the time between two starts, or when they are.")
    if cron is None and timezone is not None:
        refuse("--timezone is that of --cron, which is not given.")
    if every is not None:
        return Every(every)
    try:
        return Cron(cron or "", timezone)
    except ScheduleError as error:
        refuse(str(error))


def _refuse_missing(command: Sequence[str]) -> None:
    if shutil.which(command[0]) is None:
        refuse(f"{command[0]!r} is not a command that can be run here. Give its path, and make it executable.")

"""The command `taskpulse`."""

import os
import re
import shutil
import socket
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn, TextIO
from urllib.parse import urlsplit

import click

from app import __version__
from app.settings import Settings, SettingsError


def _fail(message: object) -> NoReturn:
    click.echo(f"taskpulse: {message}", err=True)
    sys.exit(1)


def _settings() -> Settings:
    try:
        return Settings.from_environment(os.environ)
    except SettingsError as error:
        _fail(error)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="taskpulse")
def main() -> None:
    """A task API whose workers have a pulse.

    \b
    Try it here:      taskpulse dev
    In production:    taskpulse migrate && taskpulse serve
    A key for a user: taskpulse keys create --name alice --scope read --scope write
    Work on tasks:    taskpulse work --url http://localhost:8000 -- ./print.sh
    Follow changes:   taskpulse watch --url http://localhost:8000
    Watch a cron job: taskpulse run --url http://localhost:8000 --title backup --every 24h --grace 2h -- ./backup.sh

    `work`, `run` and `watch` need the API alone, and a key in TASKPULSE_KEY. All others but `dev` find the database
    by DB_HOST, DB_PORT, DB_NAME, DB_USER and DB_PASSWORD (or DB_PASSWORD_FILE), with DB_SSLMODE and DB_SSLROOTCERT for
    TLS.
    """


@main.command()
def serve() -> None:
    """Serve the API, as in production.

    Listens on HOST (all addresses) and PORT (8000). At SIGTERM it answers 503 on /health/ready, goes on serving for
    two seconds, then closes the port, finishes what is in flight and exits with 0.
    """
    from app import logs
    from app.http.server import Server

    settings = _settings()
    logs.configure(settings.log_level)
    _refuse_taken_port(settings.host, settings.port, "Choose another one with PORT=…")
    Server(settings).run()


@main.command()
def migrate() -> None:
    """Bring the database's schema up to date.

    Safe to run by many at once, and on a schema that is newer than this version.
    """
    import psycopg

    from app.postgres import migrate as migrations

    settings = _settings()
    try:
        done = migrations.migrate(settings, click.echo)
    except migrations.MigrationError as error:
        _fail(error)
    except psycopg.Error as error:
        _fail(f"the database {settings.db_name} at {settings.db_host}:{settings.db_port} refused: {str(error).strip()}")
    click.echo(f"{len(done)} applied." if done else "Nothing to do: the schema is up to date.")


@main.command()
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port on loopback.")
@click.option("--data", default=".data", show_default=True, type=click.Path(file_okay=False), help="Data folder.")
def dev(port: int, data: str) -> None:
    """Serve the API here and now, with a PostgreSQL of its own.

    Keeps everything in the data folder: the database, and a key for you that is made once. Listens on loopback only.
    """
    from app.dev import run as development

    _refuse_taken_port("127.0.0.1", port, "Choose another one with --port, or make run PORT=…")
    try:
        development.run(Path(data), port)
    except development.DevelopmentError as error:
        _fail(error)


@main.group()
def keys() -> None:
    """Make, list and revoke API keys.

    A key's scopes say what it may do: read (read tasks), write (create, change, delete), work (claim, pulse,
    complete), metrics (scrape /metrics).
    """


@keys.command("create")
@click.option("--name", required=True, help="Whose key this is; people read it.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    help="read, write, work or metrics; repeat it for several.",
)
@click.option("--days", type=click.IntRange(1, 3650), help="Days until it expires; without this, never.")
def create_key(name: str, scopes: tuple[str, ...], days: int | None) -> None:
    """Make a key and print it: once, as only a hash is kept."""
    from app.keys import admin as api_keys

    try:
        token = api_keys.create(_settings(), name, scopes, days)
    except api_keys.KeysError as error:
        _fail(error)
    click.echo(token)


@keys.command("list")
def list_keys() -> None:
    """List all keys, the revoked ones too."""
    from app.keys import admin as api_keys

    try:
        rows = api_keys.listing(_settings())
    except api_keys.KeysError as error:
        _fail(error)
    for row in rows:
        click.echo(row)


@keys.command("revoke")
@click.argument("key_id", metavar="ID")
def revoke_key(key_id: str) -> None:
    """Revoke the key tp_ID_…; every process refuses it within ten seconds."""
    from app.keys import admin as api_keys

    try:
        name = api_keys.revoke(_settings(), key_id)
    except api_keys.KeysError as error:
        _fail(error)
    click.echo(f"Revoked the key of {name}.")


class _Duration(click.ParamType[timedelta]):
    """A number with s, m, h or d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the time that `value` says, at least a second and at most 366 days."""
        match = re.fullmatch(r"(\d{1,9})([smhd])", value)
        units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
        span = timedelta(**{units[match[2]]: int(match[1])}) if match else timedelta()
        if not timedelta(seconds=1) <= span <= timedelta(days=366):
            self.fail(
                f"{value!r} must be a number with s, m, h or d, as in 90s or 24h, of 366 days at most.", param, ctx
            )
        return span


def _api_url(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    try:
        url = urlsplit(value)
        valid = url.scheme in {"http", "https"} and url.hostname and (url.port is None or url.port > 0)
    except ValueError:
        valid = False
    if not valid:
        raise click.BadParameter(f"{value!r} is not the address of an API, as in http://localhost:8000.")
    return value


_URL = click.option(
    "--url", envvar="TASKPULSE_URL", required=True, callback=_api_url, help="The API; or TASKPULSE_URL."
)


def _for_workers(command: Callable[..., None]) -> Callable[..., None]:
    """Add what `work` and `run` have in common."""
    options = [
        _URL,
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


def _worker_key(file: TextIO | None) -> str:
    key = (file.read() if file else os.environ.get("TASKPULSE_KEY", "")).strip()
    if not key:
        _fail("there is no key: set TASKPULSE_KEY, or name a file by --key-file.")
    if not re.fullmatch(r"[!-~]+", key):
        _fail("the key holds what no key does, such as a blank; it is one word that begins with tp_.")
    return key


def _refuse_missing(command: Sequence[str]) -> None:
    if shutil.which(command[0]) is None:
        _fail(f"{command[0]!r} is not a command that can be run here. Give its path, and make it executable.")


@main.command("work", context_settings={"allow_interspersed_args": False})
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
        asyncio.run(work(url, _worker_key(key_file), worker, command, labels=labels, ttl_s=ttl))
    except RefusedError as error:
        _fail(f"the API refuses to let this worker claim: {error}")
    except OSError as error:
        _fail(f"{command[0]!r} cannot be started: {error.strerror}.")


@main.command("run", context_settings={"allow_interspersed_args": False})
@click.option("--title", required=True, help="The tasks' title; it tells one script from another.")
@click.option("--every", required=True, type=_Duration(), help="How often it is started, as in 24h.")
@click.option("--grace", required=True, type=_Duration(), help="How long it may take, or be late.")
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
    """Run COMMAND under a task of its own, and make the task of the next run.

    For cron and the like: a script that fails leaves a failed task, one that takes longer than the grace goes quiet,
    and one that is not started again leaves a task that is overdue after --every and --grace. The exit status is the
    command's; 75 if the run before has not ended. The command runs even while the API is away.
    """
    import asyncio

    from app.client.run import run

    _refuse_missing(command)
    if not 1 <= len(title) <= 200:
        _fail("a title has 1 to 200 characters.")
    key = _worker_key(key_file)
    try:
        status = asyncio.run(run(url, key, worker, command, title=title, every=every, grace=grace))
    except OSError as error:
        _fail(f"{command[0]!r} cannot be started: {error.strerror}.")
    sys.exit(status if status >= 0 else 128 - status)


@main.command("watch")
@_URL
@click.option("--key-file", type=click.File(), help="A file with the key, of scope read; without it, TASKPULSE_KEY.")
@click.option("--after", help="Begin after the event with this id; 0: with the oldest that is kept. Default: now.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--task", multiple=True, help="Only events of the task with this id; repeat any filter for several.")
@click.option("--action", multiple=True, help="Only this action, such as created or completed.")
@click.option("--status", multiple=True, help="Only events that gave a task this status.")
@click.option("--assignee", multiple=True, help="Only events of tasks with this assignee.")
@click.option("--label", multiple=True, help="Only events of tasks with this label.")
def watch_events(
    *, url: str, key_file: TextIO | None, after: str | None, output: str, **filters: tuple[str, ...]
) -> None:
    """Follow every change, a line each, until Ctrl-C.

    Comes back by itself to where it was when the connection ends. With --output json, a line holds the event as the
    API sends it.
    """
    import asyncio

    from app.client.api import RefusedError
    from app.client.watch import watch

    try:
        asyncio.run(watch(url, _worker_key(key_file), filters, after, as_json=output == "json"))
    except RefusedError as error:
        _fail(f"the API refuses: {error}")


def _refuse_taken_port(host: str, port: int, remedy: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            _fail(f"port {port} on {host} cannot be used ({error.strerror}). {remedy}")

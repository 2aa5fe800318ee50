"""The command `taskpulse`."""

import os
import socket
import sys
from pathlib import Path
from typing import NoReturn

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

    All but `dev` find the database by DB_HOST, DB_PORT, DB_NAME, DB_USER and DB_PASSWORD (or DB_PASSWORD_FILE),
    with DB_SSLMODE and DB_SSLROOTCERT for TLS.
    """


@main.command()
def serve() -> None:
    """Serve the API, as in production.

    Listens on HOST (all addresses) and PORT (8000). At SIGTERM it answers 503 on /health/ready, goes on serving for
    two seconds, then closes the port, finishes what is in flight and exits with 0.
    """
    from app import logs
    from app.server import Server

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

    from app import migrate as migrations

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
    from app import development

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
    from app import keys as api_keys

    try:
        token = api_keys.create(_settings(), name, scopes, days)
    except api_keys.KeysError as error:
        _fail(error)
    click.echo(token)


@keys.command("list")
def list_keys() -> None:
    """List all keys, the revoked ones too."""
    from app import keys as api_keys

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
    from app import keys as api_keys

    try:
        name = api_keys.revoke(_settings(), key_id)
    except api_keys.KeysError as error:
        _fail(error)
    click.echo(f"Revoked the key of {name}.")


def _refuse_taken_port(host: str, port: int, remedy: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            _fail(f"port {port} on {host} cannot be used ({error.strerror}). {remedy}")

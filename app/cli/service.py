"""Commands that run the service and prepare its database: serve, migrate, dev."""

import socket
from pathlib import Path

import click

from app.cli.errors import fail
from app.cli.options import settings_from_environment


@click.command()
def serve() -> None:
    """Serve the API, as in production.

    Listens on HOST (default: all addresses) and PORT (default: 8000). After SIGTERM it answers 503 on /health/ready,
    serves for two more seconds, closes the port, finishes the open requests and exits with 0.
    """
    from app import logs
    from app.http.server import Server
    from app.postgres import roles

    settings = settings_from_environment()
    logs.configure(settings.log_level)
    _refuse_taken_port(settings.host, settings.port, "Choose another one with PORT=…")
    try:
        roles.refuse_missing_grants(settings)
    except roles.GrantsError as error:
        fail(error)
    Server(settings).run()


@click.command()
def migrate() -> None:
    """Update the database schema.

    Safe to run several times at once, and on a schema that is newer than this version. DB_USER owns the tables. To
    serve as another user, who can read and write rows but not change the schema, set DB_SERVICE_USER, and
    DB_SERVICE_PASSWORD or DB_SERVICE_PASSWORD_FILE: this command creates the user and grants what it needs.
    """
    import psycopg

    from app.postgres import migrate as migrations

    settings = settings_from_environment()
    try:
        done = migrations.migrate(settings, click.echo)
    except migrations.MigrationError as error:
        fail(error)
    except psycopg.Error as error:
        fail(f"the database {settings.db_name} at {settings.db_host}:{settings.db_port} refused: {str(error).strip()}")
    click.echo(f"{len(done)} applied." if done else "Nothing to do: the schema is up to date.")


@click.command()
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port on loopback.")
@click.option("--data", default=".data", show_default=True, type=click.Path(file_okay=False), help="Data folder.")
def dev(port: int, data: str) -> None:
    """Serve the API on this machine, with its own PostgreSQL.

    Keeps the database and your key in the data folder. Listens on loopback only.
    """
    from app.dev import run as development

    _refuse_taken_port("127.0.0.1", port, "Choose another one with --port, or make run PORT=…")
    try:
        development.run(Path(data), port)
    except development.DevelopmentError as error:
        fail(error)


def _refuse_taken_port(host: str, port: int, remedy: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            fail(f"port {port} on {host} cannot be used ({error.strerror}). {remedy}")

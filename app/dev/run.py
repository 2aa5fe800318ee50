"""`taskpulse dev`: the whole service on one machine, with a PostgreSQL that lives in a folder."""

import logging
from pathlib import Path

import click
import psycopg
from msgspec.structs import replace

from app import logs
from app.dev.postgres import NAME, SERVICE, EmbeddedPostgres, PostgresError
from app.http.server import Server
from app.keys import admin as keys
from app.postgres import migrate
from app.settings import Settings

_BANNER = """
TaskPulse runs at {url} (documentation: {url}/docs, board: {url}/board)
Your key: {token}

Create a task:
  curl -s {url}/v1/tasks -H 'Authorization: Bearer {token}' \\
    -H 'Content-Type: application/json' -d '{{"title": "Try TaskPulse", "labels": ["demo"]}}'
List tasks:
  curl -s {url}/v1/tasks -H 'Authorization: Bearer {token}'
Finish one (put in an id from above):
  curl -s -X PATCH {url}/v1/tasks/ID -H 'Authorization: Bearer {token}' \\
    -H 'Content-Type: application/json' -d '{{"status": "done"}}'

The data is in {data}; Ctrl-C stops. For other commands meanwhile: export DB_HOST={host} DB_SSLMODE=disable
"""


class DevelopmentError(Exception):
    """The service cannot run here; the message is a sentence that says what to do."""


def run(data: Path, port: int) -> None:
    """Serve on 127.0.0.1 at `port` until a signal comes.

    Raises DevelopmentError.
    """
    logs.configure("INFO", json=False)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    try:
        with EmbeddedPostgres(data) as postgres:
            owner = Settings(
                db_host=postgres.host,
                db_name=NAME,
                db_user=NAME,
                db_service_user=SERVICE,
                db_sslmode="disable",
                host="127.0.0.1",
                port=port,
            )
            migrate.migrate(owner, click.echo)
            settings = replace(owner, db_user=SERVICE, db_service_user="")
            token = _local_key(settings, postgres.folder / "key")
            banner = _BANNER.format(
                url=f"http://127.0.0.1:{port}", token=token, data=postgres.folder, host=postgres.host
            )
            Server(settings, on_started=lambda: click.echo(banner)).run()
    except (PostgresError, migrate.MigrationError, keys.KeysError, psycopg.Error) as error:
        raise DevelopmentError(str(error)) from None


def _local_key(settings: Settings, file: Path) -> str:
    """Return the key in `file`, which becomes one of this database; create one if there is none, or it was revoked."""
    known = file.read_text("utf-8").strip() if file.exists() else ""
    if keys.holds(settings, known):
        return known
    token = keys.create(settings, "local development", ("read", "write", "work", "metrics"), None, known)
    file.touch(mode=0o600)
    file.write_text(token + "\n", "utf-8")
    return token

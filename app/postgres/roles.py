"""Two database users: one owns the tables and migrates, the other serves and can only read and write rows."""

from collections.abc import Sequence
from typing import NamedTuple

import psycopg
from psycopg import sql as syntax

from app.postgres.pool import Database, Row, connection_parameters
from app.postgres.statements import sql
from app.settings import Settings

MISSING = sql("roles/missing_grants")


class GrantRow(NamedTuple):
    """A row of missing_grants.sql and of open_to_all.sql; the object is SQL, as in `table tasks`."""

    privilege: str
    object: str


class GrantsError(Exception):
    """The user that serves may not do what that takes; the message is a sentence that says what to do."""


def prepare_service_user(connection: psycopg.Connection, settings: Settings) -> None:
    """Make the user that serves if it is not there, give it its password, and grant it what it needs and no more.

    Tables of later migrations are granted as they are made. Nobody but the owner may create anything from then on.
    The server does not get the password, which would stand in its log, but what it stores of it (RFC 5803).
    Raises psycopg.Error, and SettingsError where the password cannot be read.
    """
    name = settings.db_service_user
    role = syntax.Identifier(name).as_string(connection)
    if not connection.execute("select from pg_roles where rolname = %s", (name,)).fetchall():
        connection.execute(f"create role {role} login".encode())
    if password := settings.read_service_password():
        stored = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
        connection.execute(f"alter role {role} password '{stored}'".encode())
    for privilege, what in connection.execute(sql("roles/open_to_all")).fetchall():
        connection.execute(f"revoke {privilege} on {what} from public".encode())
    for privilege, what in connection.execute(MISSING, {"role": name}).fetchall():
        connection.execute(f"grant {privilege} on {what} to {role}".encode())
    for privileges in ("select, insert, update, delete on tables", "usage on sequences"):
        connection.execute(f"alter default privileges grant {privileges} to {role}".encode())


def refuse_missing_grants(settings: Settings) -> None:
    """Return if the user of these settings may serve, and where that cannot be seen: the database may be away.

    Raises GrantsError, and SettingsError where the password cannot be read.
    """
    try:
        with psycopg.connect(**connection_parameters(settings), autocommit=True) as connection:
            rows = connection.execute(MISSING, {"role": settings.db_user}).fetchall()
    except psycopg.OperationalError:
        return
    if rows:
        raise GrantsError(_sentence(settings.db_user, rows))


async def missing_grants(database: Database, role: str) -> str:
    """Return a sentence that says what this user lacks to serve; nothing where it lacks nothing.

    Raises psycopg.OperationalError when the database is away.
    """
    rows = await database.fetch(MISSING, {"role": role})
    return _sentence(role, rows) if rows else ""


def _sentence(role: str, rows: Sequence[Row]) -> str:
    lacking = ", ".join(f"{row.privilege} on {row.object}" for row in map(GrantRow._make, rows))
    return (
        f"The database user {role} lacks {lacking}. Run taskpulse migrate as the owner of the tables, with"
        f" DB_SERVICE_USER={role}."
    )

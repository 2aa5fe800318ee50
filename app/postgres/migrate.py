"""Migrations: SQL files, applied in order, forward only, by one process at a time."""

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

import psycopg

from app.postgres.pool import Database, connection_parameters
from app.postgres.roles import prepare_service_user
from app.postgres.statements import sql
from app.settings import Settings

LOCK = 0x7461736B
"""Key of the advisory lock that a migrating process holds."""
POLL_S = 0.2
LOCK_WAIT_S = 0.4
"""How long a statement waits for the lock on a table, as all calls queue behind it meanwhile."""
LOCK_PATIENCE_S = 120.0
"""How long it tries again, with pauses in which they run."""

_NAME = re.compile(r"(\d{4})_\w+\.sql")
_BY_ITSELF = re.compile(r"\bconcurrently\b|^\s*commit;$", re.MULTILINE)
_STATEMENT = re.compile(r"(?:\$\$.*?\$\$|.)+?(?:;\n|\Z)", re.DOTALL)

_CREATE_TABLE = """
create table if not exists schema_migrations (
    version integer primary key,
    name text not null,
    sha256 text not null,
    applied_at timestamptz not null default now()
)
"""


class MigrationError(Exception):
    """The schema cannot be migrated; the message says why."""


@dataclass(frozen=True)
class Migration:
    """A file of app/postgres/migrations; its first line may hold a mark that programs read.

    `-- no transaction`: each statement runs by itself, as CREATE INDEX CONCURRENTLY must. One that fails leaves those
    before it applied, and an invalid index: the file must be able to run again. A block that commits runs outside of
    a transaction too, for bites of work that hold no lock for long.
    `-- old code cannot live with this: <reason>`: a rollback across it is not safe.
    """

    version: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        """Digest of the text, to tell a file that was edited after it was applied."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def in_transaction(self) -> bool:
        """Whether the file runs in a transaction."""
        return not self.text.startswith("-- no transaction")


def migrations() -> list[Migration]:
    """Return the migrations of this version, in order."""
    found = [
        Migration(int(match[1]), entry.name.removesuffix(".sql"), entry.read_text("utf-8"))
        for entry in files("app.postgres").joinpath("migrations").iterdir()
        if (match := _NAME.fullmatch(entry.name))
    ]
    return sorted(found, key=lambda migration: migration.version)


async def pending(database: Database) -> list[str]:
    """Return the names of migrations that the database lacks; it may have newer ones that this version does not know.

    Raises psycopg.OperationalError when the database is away.
    """
    try:
        applied = {version for (version,) in await database.fetch("select version from schema_migrations", {})}
    except psycopg.errors.UndefinedTable:
        applied = set()
    return [migration.name for migration in migrations() if migration.version not in applied]


def migrate(settings: Settings, say: Callable[[str], None]) -> list[str]:
    """Apply pending migrations and return their names; `say` gets a line for each step.

    Makes the user that serves, if the settings name one, and grants it what it needs.
    Several processes may call this at once: one works, the others wait and then find nothing to do.
    Raises MigrationError, psycopg.Error, SettingsError.
    """
    parameters = connection_parameters(settings) | {
        "options": f"-c timezone=UTC -c lock_timeout={LOCK_WAIT_S * 1000:.0f}"
    }
    with psycopg.connect(**parameters, autocommit=True) as connection:
        _take_lock(connection, say)
        connection.execute(_CREATE_TABLE)
        applied = dict(connection.execute("select version, sha256 from schema_migrations").fetchall())
        done = []
        for migration in migrations():
            if migration.version not in applied:
                started = time.monotonic()
                _apply(connection, migration)
                say(f"applied {migration.name} in {time.monotonic() - started:.2f} s")
                done.append(migration.name)
            elif applied[migration.version] != migration.sha256:
                raise MigrationError(
                    f"{migration.name} was changed after this database applied it."
                    " Put the file back, and make the change in a new migration."
                )
        if settings.db_service_user:
            _prepare(connection, settings)
        connection.execute(sql("events/begin_epoch"))  # before the first write to a restored database
        return done


def _take_lock(connection: psycopg.Connection, say: Callable[[str], None]) -> None:
    """Poll for the lock: a session that waits on it would deadlock with CREATE INDEX CONCURRENTLY."""
    waiting = False
    while True:
        row = connection.execute("select pg_try_advisory_lock(%s)", (LOCK,)).fetchone()
        if row == (True,):
            return
        if not waiting:
            say("another process is migrating; waiting for it")
            waiting = True
        time.sleep(POLL_S)


def _prepare(connection: psycopg.Connection, settings: Settings) -> None:
    try:
        with connection.transaction():
            prepare_service_user(connection, settings)
    except psycopg.errors.InsufficientPrivilege as error:
        raise MigrationError(
            f"{settings.db_user} cannot prepare the user {settings.db_service_user}, which is to serve:"
            f" {error.diag.message_primary}. It must own the tables, and have the attribute createrole to make a user."
        ) from error


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    record = "insert into schema_migrations (version, name, sha256) values (%s, %s, %s)"
    values = (migration.version, migration.name, migration.sha256)
    try:
        if migration.in_transaction:
            _patiently(connection, migration.text, lambda: connection.execute(record, values))
        else:
            for statement in _statements(migration.text):
                if _BY_ITSELF.search(statement):  # it waits for other transactions, and nobody waits for it for long
                    connection.execute("set lock_timeout = 0")
                    connection.execute(statement.encode())
                    connection.execute("reset lock_timeout")
                else:
                    _patiently(connection, statement)
            connection.execute(record, values)
    except psycopg.Error as error:
        raise MigrationError(f"{migration.name} failed and was not applied: {str(error).strip()}") from error


def _statements(text: str) -> list[str]:
    """Return the statements of a file; a block between two $$ is part of one."""
    return [statement for statement in _STATEMENT.findall(text) if statement.strip()]


def _patiently(connection: psycopg.Connection, statements: str, then: Callable[[], object] = lambda: None) -> None:
    """Run statements in a transaction, again while they do not get a lock."""
    until = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            with connection.transaction():
                connection.execute(statements.encode())
                then()
        except psycopg.errors.LockNotAvailable:
            if time.monotonic() > until:
                raise
            time.sleep(POLL_S)
        else:
            return

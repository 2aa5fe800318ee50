"""The user that owns the tables and migrates, and the one that serves: what each may do, and who is told when not."""

import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from msgspec.structs import replace
from psycopg.errors import InsufficientPrivilege

from app.dev.postgres import NAME, SERVICE, EmbeddedPostgres
from app.postgres import migrate, roles
from app.postgres.pool import connection_parameters
from app.settings import Settings, SettingsError
from tests.support.contract import problem
from tests.support.service import Service, conninfo, fresh_database, owner
from tests.support.waiting import eventually

OWNER = "owner"
PASSWORD, NEXT_PASSWORD = "correct'horse", "battery\\staple"


@pytest.fixture
def hosted(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server as a cloud gives it: who owns the database can make users, is no superuser, and needs a password."""
    access = tmp_path / "pg_hba.conf"
    access.write_text(f"local all {NAME},{OWNER} trust\nlocal all all scram-sha-256\n")
    access.chmod(0o644)
    options = {"fsync": "off", "hba_file": str(access), "log_statement": "all"}
    with EmbeddedPostgres(tmp_path / "database", options) as server:
        with psycopg.connect(host=server.host, dbname=NAME, user=NAME, autocommit=True) as connection:
            connection.execute(f"create role {OWNER} login createrole".encode())
            connection.execute(f"alter database {NAME} owner to {OWNER}".encode())
        yield server


def settings_of(server: EmbeddedPostgres, password: str = PASSWORD) -> Settings:
    """The settings of the user that serves."""
    return Settings(db_host=server.host, db_user=SERVICE, db_password=password, db_sslmode="disable")


def prepare(serving: Settings) -> list[str]:
    """Migrate as the owner would."""
    given = replace(serving, db_user=OWNER, db_password="", db_service_user=SERVICE)
    return migrate.migrate(replace(given, db_service_password=serving.db_password), lambda _: None)


def connect(settings: Settings) -> psycopg.Connection:
    return psycopg.connect(**connection_parameters(settings), autocommit=True)


STATEMENTS = [
    "drop table history",
    "drop index tasks_by_status",
    "drop type task_status cascade",
    "drop schema public cascade",
    "alter table tasks add column mine text",
    "alter table tasks disable trigger all",
    "alter table tasks owner to taskpulse_service",
    "alter type task_status add value 'mine'",
    "alter default privileges for role taskpulse grant all on tables to taskpulse_service",
    "truncate history",
    "truncate idempotency_keys",
    "create table mine (id integer)",
    "create temporary table mine (id integer)",
    "create view mine as select 1",
    "create index mine on tasks (title)",
    "create function mine() returns integer language sql return 1",
    "create schema mine",
    "create role mine",
    "create database mine",
    "create trigger mine before update on tasks for each row execute function suppress_redundant_updates_trigger()",
    "comment on table tasks is 'mine'",
    "alter role taskpulse_service createrole",
    "alter role taskpulse password 'mine'",
    "set role taskpulse",
    "insert into schema_migrations (version, name, sha256) values (9999, 'mine', '')",
    "update schema_migrations set sha256 = ''",
    "delete from schema_migrations",
    "copy tasks to program 'cat > /dev/null'",
    "select rolpassword from pg_authid",
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_who_serves_may_not(service: Service, statement: str) -> None:
    """The same connection may read and write rows, as everything that the service does in these tests shows."""
    with connect(service.settings) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute(statement.encode())


@pytest.mark.parametrize("statement", STATEMENTS)
def test_each_of_these_can_be_done_by_the_owner(service: Service, statement: str) -> None:
    """Else one that fails for another reason would show nothing."""
    allowed = psycopg.errors.DuplicateObject, psycopg.errors.ActiveSqlTransaction  # these come after the permission
    with psycopg.connect(service.conninfo) as connection:
        connection.execute("set local lock_timeout = '10s'")
        try:
            connection.execute(statement.encode())
        except allowed:
            pass
        except psycopg.errors.InsufficientPrivilege as error:
            pytest.fail(str(error))
        connection.rollback()


def test_the_service_runs_as_that_user(service: Service, database: psycopg.Connection) -> None:
    query = "select distinct usename from pg_stat_activity where datname = %s and application_name = 'taskpulse'"
    assert database.execute(query, (service.settings.db_name,)).fetchall() == [(SERVICE,)]


def test_a_hosted_database_is_served_and_passwords_are_rotated(hosted: EmbeddedPostgres, tmp_path: Path) -> None:
    """The password is set at each migration, and neither PostgreSQL's log nor its statistics hold it."""
    first = settings_of(hosted)
    assert prepare(first) != []
    with connect(first) as kept:
        second = settings_of(hosted, NEXT_PASSWORD)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(second)
        assert prepare(second) == []
        connect(second).close()
        assert kept.execute("select count(*) from tasks").fetchone() == (0,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(first)
    log = hosted.log.read_text()
    assert "alter role" in log
    for password in (PASSWORD, NEXT_PASSWORD):
        assert password.replace("'", "''") not in log
        assert password not in log
    with connect(second) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute("create temporary table mine (id integer)")


def test_without_a_password_that_of_the_user_stays(hosted: EmbeddedPostgres) -> None:
    serving = settings_of(hosted)
    prepare(serving)
    prepare(replace(serving, db_password=""))
    connect(serving).close()


def test_an_owner_who_may_make_no_user_is_told(hosted: EmbeddedPostgres) -> None:
    with psycopg.connect(host=hosted.host, dbname=NAME, user=NAME, autocommit=True) as connection:
        connection.execute(f"alter role {OWNER} nocreaterole".encode())
    with pytest.raises(migrate.MigrationError, match=f"{OWNER} cannot prepare the user {SERVICE}, .* createrole"):
        prepare(settings_of(hosted))
    with psycopg.connect(host=hosted.host, dbname=NAME, user=NAME, autocommit=True) as connection:
        connection.execute(f"create role {SERVICE} login".encode())
    prepare(replace(settings_of(hosted), db_password=""))


def test_tables_of_later_migrations_are_granted_as_they_are_made(postgres: EmbeddedPostgres) -> None:
    settings = fresh_database(postgres)
    with psycopg.connect(conninfo(settings), autocommit=True) as connection:
        connection.execute("create table later (id bigserial, title text)")
    with connect(settings) as connection:
        connection.execute("insert into later (title) values ('a')")
        connection.execute("update later set title = 'b'")
        assert connection.execute("delete from later returning title").fetchall() == [("b",)]
        with pytest.raises(InsufficientPrivilege):
            connection.execute("drop table later")


@pytest.mark.parametrize(
    ("statement", "lacking"),
    [
        ("revoke insert on history from taskpulse_service", "insert on table history"),
        ("revoke all on leases from taskpulse_service", "select on table leases, insert on table leases"),
        ("revoke select on schema_migrations from taskpulse_service", "select on table schema_migrations"),
        ("create sequence later; revoke all on later from taskpulse_service", "usage on sequence later"),
        ("revoke usage on schema public from public", "usage on schema public"),
    ],
)
def test_a_missing_grant_stops_the_start_by_its_name(
    postgres: EmbeddedPostgres, tmp_path: Path, statement: str, lacking: str
) -> None:
    settings = fresh_database(postgres)
    service = Service(settings, tmp_path / "log")
    with psycopg.connect(service.conninfo, autocommit=True) as connection:
        connection.execute(statement.encode())
    service.start(wait=False)
    assert service.process is not None
    assert service.process.wait(60) == 1
    told = " ".join(service.log.read_text().split())
    assert f"Error: The database user {SERVICE} lacks {lacking}" in told
    assert f"Run taskpulse migrate as the owner of the tables, with DB_SERVICE_USER={SERVICE}." in told
    assert migrate.migrate(owner(settings), lambda _: None) == []
    roles.refuse_missing_grants(settings)


def test_a_grant_that_is_missing_when_the_database_comes_is_named_by_ready(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "postgres", {"fsync": "off"}) as postgres:
        service = Service(fresh_database(postgres), tmp_path / "log")
        with psycopg.connect(service.conninfo, autocommit=True) as connection:
            connection.execute(f"revoke delete on tasks from {SERVICE}".encode())
        postgres.stop(signal.SIGQUIT)
        service.start(wait=False)
        try:
            eventually(lambda: "the database is away" in service.log.read_text())
            postgres.start()
            with httpx.Client(base_url=service.url) as client:

                def said() -> str:
                    return str(problem(client.get("/health/ready"), 503, "not-ready")["detail"])

                eventually(lambda: "has not been reached" not in said())
                assert said().startswith(f"The database user {SERVICE} lacks delete on table tasks. Run taskpulse")
        finally:
            service.stop(signal.SIGINT)


def test_one_user_for_both_is_refused() -> None:
    with pytest.raises(SettingsError, match="DB_SERVICE_USER must be another user than DB_USER, which is both too"):
        Settings.from_environment({"DB_USER": "both", "DB_SERVICE_USER": "both"})
    file = {"DB_SERVICE_USER": "service", "DB_SERVICE_PASSWORD_FILE": "/nonexistent/password"}
    with pytest.raises(SettingsError, match="DB_SERVICE_PASSWORD_FILE='/nonexistent/password' cannot be read"):
        Settings.from_environment(file)

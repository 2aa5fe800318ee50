"""The commands `migrate` and `keys`, and the help of all."""

import json
import os
import re
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import get_args

import psycopg
import pytest
from click.testing import CliRunner

from app.cli import filters, options, task_changes, tasks
from app.cli.main import main
from app.dev.postgres import EmbeddedPostgres
from app.keys.authentication import SCOPES
from app.leases.chosen import TaskFilter
from app.postgres import migrate
from app.settings import Settings
from app.tasks.model import Action, Priority, Status, TaskPatch
from app.tasks.query import SortName
from tests.support.service import TASKPULSE, conninfo, environment, fresh_database, owner

COMMANDS = [
    [],
    ["serve"],
    ["migrate"],
    ["dev"],
    ["keys"],
    ["keys", "create"],
    ["keys", "list"],
    ["keys", "revoke"],
    ["work"],
    ["run"],
    ["watch"],
    ["tasks"],
    *(["tasks", name] for name in ("list", "show", "create", "edit", "cancel", "requeue", "delete", "export")),
    ["queues"],
    *(["queues", name] for name in ("list", "show", "pause", "resume", "limit", "alert", "delete")),
]
TOKEN = re.compile(r"tp_[0-9a-f]{12}_[0-9a-f]{64}\n")


def run(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `taskpulse` against a database, in this process: its start would take longer than its work."""
    variables = {**{name: None for name in os.environ if name.startswith("DB_")}, **environment(settings)}
    ended = CliRunner().invoke(main, arguments, prog_name="taskpulse", env=variables, catch_exceptions=False)
    return subprocess.CompletedProcess(arguments, ended.exit_code, ended.stdout, ended.stderr)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_teaches(command: list[str]) -> None:
    shown = run(Settings(), *command, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith(f"Usage: taskpulse {' '.join(command)}".rstrip())
    assert len(shown.stdout.splitlines()) >= 5
    assert shown.stdout == run(Settings(), *command, "-h").stdout


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_fits_a_terminal_of_80_columns(command: list[str]) -> None:
    shown = CliRunner().invoke(main, [*command, "--help"], prog_name="taskpulse", terminal_width=80).output
    usage, *lines = shown.splitlines()
    assert usage.startswith("Usage: ")
    assert [line for line in lines if len(line) > 80 or line.endswith("...")] == []


def test_choices_are_those_of_the_api() -> None:
    assert tuple(options.SCOPES) == SCOPES
    assert tuple(options.ACTIONS) == get_args(Action)
    assert tuple(options.STATUSES) == get_args(Status)
    assert tuple(options.PRIORITIES) == get_args(Priority)
    assert set(filters.SORTS) == set(get_args(SortName))


def test_filters_and_fields_are_those_of_the_api() -> None:
    """What has an option by the name that the API has for it."""
    listed = {parameter.name for parameter in tasks.list_tasks.params}
    assert listed >= set(TaskFilter.__struct_fields__)
    edited = {parameter.name for parameter in task_changes.edit_task.params} | {"labels"}
    assert edited >= set(TaskPatch.__struct_fields__)
    assert set(task_changes.CLEARED) == set(TaskPatch.__struct_fields__) - {"title", "status"}


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("taskpulse keys create --scope ", options.SCOPES),
        ("taskpulse watch --action cl", ["claimed"]),
        ("taskpulse watch --status ", options.STATUSES),
        ("taskpulse wo", ["work"]),
    ],
)
def test_a_shell_can_complete(words: str, offered: list[str]) -> None:
    asked = {"_TASKPULSE_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    answer = subprocess.run([TASKPULSE], env={**os.environ, **asked}, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == [f"plain,{each}" for each in offered]


def test_an_unknown_command() -> None:
    ended = subprocess.run([TASKPULSE, "server"], capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 2
    assert "No such command 'server'" in ended.stderr


def test_migrate_says_what_it_did(postgres: EmbeddedPostgres) -> None:
    settings = fresh_database(postgres, migrated=False)
    names = [migration.name for migration in migrate.migrations()]
    first = run(owner(settings), "migrate")
    assert first.returncode == 0, first.stderr
    *steps, last = first.stdout.splitlines()
    assert [re.sub(r" in \d+\.\d\d s$", "", step) for step in steps] == [f"applied {name}" for name in names]
    assert last == f"{len(names)} applied."
    again = run(owner(settings), "migrate")
    assert (again.returncode, again.stdout) == (0, "Nothing to do: the schema is up to date.\n")


def test_two_at_once_are_safe(postgres: EmbeddedPostgres) -> None:
    settings = fresh_database(postgres, migrated=False)
    with psycopg.connect(conninfo(settings), autocommit=True) as holder:
        holder.execute("select pg_advisory_lock(%s)", (migrate.LOCK,))
        both = [
            subprocess.Popen(
                [TASKPULSE, "migrate"], env=environment(owner(settings)), stdout=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        for process in both:
            assert process.stdout is not None
            assert process.stdout.readline() == "another process is migrating; waiting for it\n"
    endings = sorted(process.communicate(timeout=60)[0].splitlines()[-1] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    number = len(migrate.migrations())
    assert endings == [f"{number} applied.", "Nothing to do: the schema is up to date."]


def test_an_edited_migration_is_refused(postgres: EmbeddedPostgres) -> None:
    settings = fresh_database(postgres)
    with psycopg.connect(conninfo(settings), autocommit=True) as connection:
        connection.execute("update schema_migrations set sha256 = 'other' where version = 2")
    ended = run(owner(settings), "migrate")
    assert ended.returncode == 1
    assert "0002_api_keys was changed after this database applied it. Put the file back" in ended.stderr


def test_a_newer_schema_is_accepted(postgres: EmbeddedPostgres) -> None:
    settings = fresh_database(postgres)
    with psycopg.connect(conninfo(settings), autocommit=True) as connection:
        connection.execute("insert into schema_migrations (version, name, sha256) values (9999, 'later', 'x')")
    assert run(owner(settings), "migrate").stdout == "Nothing to do: the schema is up to date.\n"


def test_no_database_there(tmp_path: Path) -> None:
    for command in (["migrate"], ["keys", "list"]):
        ended = run(Settings(db_host=str(tmp_path), db_sslmode="disable"), *command)
        assert ended.returncode == 1
        assert ended.stderr.startswith("Error: The database ")
        assert "Traceback" not in ended.stderr


def test_keys_are_made_listed_and_revoked(postgres: EmbeddedPostgres) -> None:
    settings = fresh_database(postgres)
    made = run(settings, "keys", "create", "--name", "alice", "--scope", "read", "--scope", "write", "--days", "30")
    assert made.returncode == 0, made.stderr
    assert TOKEN.fullmatch(made.stdout)
    _, key_id, secret = made.stdout.strip().split("_")
    listed = run(settings, "keys", "list").stdout
    assert secret not in listed
    (line,) = [line for line in listed.splitlines() if line.startswith(key_id)]
    assert re.search(r"expires \d{4}-.*read,write +alice$", line)
    (described,) = json.loads(run(settings, "keys", "list", "--output", "json").stdout)
    assert (described["id"], described["name"], described["scopes"]) == (key_id, "alice", ["read", "write"])
    assert datetime.fromisoformat(described["expires_at"]) - datetime.fromisoformat(described["created_at"]) == (
        timedelta(days=30)
    )
    assert described["revoked_at"] is None
    revoked = run(settings, "keys", "revoke", key_id)
    assert (revoked.returncode, revoked.stdout) == (0, "Revoked the key of alice.\n")
    assert f"{key_id}" in run(settings, "keys", "list").stdout
    assert "revoked 2" in run(settings, "keys", "list").stdout
    unknown = run(settings, "keys", "revoke", "000000000000")
    assert unknown.returncode == 1
    assert unknown.stderr.startswith("Error: There is no key with the id '000000000000'")


def test_wrong_keys(postgres: EmbeddedPostgres) -> None:
    settings = fresh_database(postgres)
    unknown = run(settings, "keys", "create", "--name", "x", "--scope", "admin")
    assert unknown.returncode == 2
    assert "'admin' is not one of 'read', 'write', 'work', 'metrics'." in unknown.stderr
    for name in ("", "x" * 101, "two\nlines", "\x1b[2J"):
        refused = run(settings, "keys", "create", "--name", name, "--scope", "read")
        assert refused.returncode == 2
        assert "1 to 100 characters, all of which can be printed" in refused.stderr
    assert (
        "run `taskpulse migrate` first" in run(owner(fresh_database(postgres, migrated=False)), "keys", "list").stderr
    )

"""Commands that create and change one task: tasks create, tasks edit."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from app.cli.calls import with_api
from app.cli.errors import refuse
from app.cli.options import JSON, PRIORITIES, STATUSES, TEXT, TIME, URL, key_file
from app.cli.printing import OUTPUT, show, show_json

if TYPE_CHECKING:
    import msgspec

    from app.client.api import Api

CLEARED = [
    *("description", "priority", "assignee", "labels", "due_at", "run_after", "payload", "max_attempts", "retry"),
    "unique_key",
]
"""Fields that can be put back to their defaults."""

_FIELDS = [
    click.option("--description", type=TEXT),
    click.option("--priority", type=click.Choice(PRIORITIES)),
    click.option("--assignee", type=TEXT),
    click.option("--due-at", type=TIME, help="As in 2026-01-31T12:00:00Z."),
    click.option("--run-after", type=TIME, help="Nobody can claim it before."),
    click.option("--max-attempts", type=click.IntRange(1, 1000)),
    click.option("--unique-key", type=TEXT, help="At most one unfinished task has it."),
    click.option("--payload", type=JSON(), help="A JSON object for the worker; `edit` merges it."),
    click.option("--retry", type=JSON(), help="""Waits after failures, as in '{"backoff_s": 10}'."""),
]


def _fields(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_FIELDS):
        command = option(command)
    return command


def _present(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


@click.command("create")
@click.option("--title", required=True, type=TEXT, help="1 to 200 characters.")
@click.option("--label", "labels", multiple=True, type=TEXT, help="Repeat it for several.")
@_fields
@click.option("--idempotency-key", type=TEXT, help="The same key creates the task once, however often you call.")
@OUTPUT
@URL
@key_file("Its scope: write.")
def create_task(
    *, labels: tuple[str, ...], idempotency_key: str | None, output: str, url: str, key_file: Path | None, **fields: Any
) -> None:
    """Create a task.

    \b
    Examples:
    taskpulse tasks create --title 'Print the labels' --label print
    taskpulse tasks create --title Invoice --payload '{"order": 17}'
    taskpulse tasks create --title 'Count stock' --output json | jq -r .id

    Where an unfinished task has the --unique-key, that one is shown, and none is created.
    """
    from app.client import tasks

    wanted = _present(fields) | ({"labels": labels} if labels else {})

    async def create(api: "Api") -> "msgspec.Raw":
        return await tasks.create(api, wanted, idempotency_key)

    raw = with_api(url, key_file, create)
    _show_changed(raw, output, "This task has the unique key:" if "unique_key" in wanted else "Created task")


@click.command("edit")
@click.argument("task_id", metavar="ID", type=click.UUID)
@click.option("--title", type=TEXT, help="1 to 200 characters.")
@click.option("--status", type=click.Choice(STATUSES))
@click.option("--add-label", "add_labels", multiple=True, type=TEXT, help="Repeat it for several.")
@click.option("--remove-label", "remove_labels", multiple=True, type=TEXT)
@_fields
@click.option(
    "--clear",
    "cleared",
    multiple=True,
    type=click.Choice(CLEARED),
    metavar="FIELD",
    help=f"Put a field back to its default: {', '.join(CLEARED)}.",
)
@click.option(
    "--if-version", type=click.IntRange(min=1), help="Only if this is still its version, which `show` prints."
)
@OUTPUT
@URL
@key_file("Its scopes: read and write.")
def edit_task(
    *,
    task_id: UUID,
    add_labels: tuple[str, ...],
    remove_labels: tuple[str, ...],
    cleared: tuple[str, ...],
    if_version: int | None,
    output: str,
    url: str,
    key_file: Path | None,
    **fields: Any,
) -> None:
    """Change fields of a task; the others stay.

    \b
    Examples:
    taskpulse tasks edit ID --priority urgent
    taskpulse tasks edit ID --add-label rush --clear due_at
    taskpulse tasks edit ID --title 'Count stock' --if-version 3

    Nobody's change in between is lost: if there is one, the command reads the task again, or fails where --if-version
    is given.
    """
    from app.client import tasks

    patch = _present(fields)
    if twice := [name for name in cleared if name in patch]:
        refuse(f"{twice[0]} is both set and cleared.")
    if "labels" in cleared and (add_labels or remove_labels):
        refuse("Labels are both cleared and changed.")
    wanted = tasks.Edit({**patch, **dict.fromkeys(cleared)}, add_labels, remove_labels)
    if not wanted.patch and not add_labels and not remove_labels:
        refuse("Say what to change, as in --priority high.")

    async def edit(api: "Api") -> "msgspec.Raw":
        return await tasks.edit(api, str(task_id), wanted, if_version)

    _show_changed(with_api(url, key_file, edit), output, "Changed task")


def _show_changed(raw: "msgspec.Raw", output: str, what: str) -> None:
    from app.client import tasks
    from app.client.output import printable

    if output != "text":
        show_json(raw, output)
        return
    task = tasks.decoded(raw)
    show([f"{what} {task.id}: {printable(task.title)}"])

"""The group `tasks`, and its commands that read: list, show, export."""

import contextlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from app.cli.calls import with_api
from app.cli.errors import fail
from app.cli.filters import SORT, filters, given
from app.cli.options import URL, key_file
from app.cli.printing import OUTPUT, show, show_items, show_json, width, write_json

if TYPE_CHECKING:
    from app.client.api import Api

MOST = 100_000
"""The most tasks that `list` holds; an export has no limit."""


@click.group()
def tasks() -> None:
    """List, show, create and change tasks.

    \b
    Examples:
    export TASKPULSE_URL=http://127.0.0.1:8000 TASKPULSE_KEY=$(cat .data/key)
    taskpulse tasks create --title 'Print the labels' --label print
    taskpulse tasks list --status failed --label print
    taskpulse tasks requeue --status failed --label print

    The commands call a running service. Exit status: 0 when all went well, 1 when the service refused or gave no
    answer, 2 for wrong arguments.
    """


@tasks.command("list")
@filters
@SORT
@click.option(
    "--limit", type=click.IntRange(1, MOST), default=50, show_default=True, help="The most tasks that are shown."
)
@OUTPUT
@URL
@key_file("Its scope: read.")
def list_tasks(*, sort: str, limit: int, output: str, url: str, key_file: Path | None, **options: Any) -> None:
    """List tasks, newest first.

    \b
    Examples:
    taskpulse tasks list --status open --status in_progress --sort -priority
    taskpulse tasks list --overdue --limit 10
    taskpulse tasks list --label print --output json | jq -r '.items[].id'

    With several filters, a task must match all of them. Ages count from the creation. Wider terminals show more
    columns. With --output json, the answer is an object with `items`, as from the API, and `next_cursor`, which is null
    unless there are more.
    """
    from app.client import paging, tasks
    from app.client.task_text import task_table

    async def read(api: "Api") -> tuple[paging.Page, datetime]:
        page = await paging.first(api, "tasks", {**given(options), "sort": sort}, limit)
        return page, api.clock.correct(datetime.now(UTC))

    page, now = with_api(url, key_file, read)
    if output != "text":
        show_items(page.items, output, page.next_cursor)
    elif page.items:
        show(task_table([tasks.decoded(item) for item in page.items], now, width()))
    else:
        click.echo("No tasks match." if given(options) else "There are no tasks.", err=True)
    if page.next_cursor is not None:
        click.echo(f"These are the first {limit:,}; there are more. --limit shows more, `tasks export` all.", err=True)


@tasks.command("show")
@click.argument("task_id", metavar="ID", type=click.UUID)
@OUTPUT
@URL
@key_file("Its scope: read.")
def show_task(*, task_id: UUID, output: str, url: str, key_file: Path | None) -> None:
    """Show a task, and who holds it.

    \b
    Examples:
    taskpulse tasks show ID
    taskpulse tasks show ID --output json | jq .payload
    """
    from app.client import tasks
    from app.client.task_text import task_details

    async def read(api: "Api") -> None:
        raw = await tasks.read(api, str(task_id))
        if output != "text":
            show_json(raw, output)
            return
        task = tasks.decoded(raw)
        lease = await tasks.lease_of(api, task.id) if task.status == "in_progress" else None
        show(task_details(task, lease, api.clock.correct(datetime.now(UTC))))

    with_api(url, key_file, read)


@tasks.command("export")
@filters
@SORT
@URL
@key_file("Its scope: read.")
def export_tasks(*, sort: str, url: str, key_file: Path | None, **options: Any) -> None:
    """Write every task that matches as JSON, one a line.

    \b
    Examples:
    taskpulse tasks export > tasks.ndjson
    taskpulse tasks export --status failed --label print | jq -r .title

    On a terminal, standard error shows how far it is. Exit status 1 means that tasks are missing at the end: run it
    again.
    """
    from app.client import export
    from app.client.progress import Progress

    params = {**given(options), "sort": sort}

    async def write(api: "Api") -> None:
        quiet = not Progress("", None).shown
        progress = Progress("tasks exported", None if quiet else await export.total(api, params))
        done = 0
        try:
            async with contextlib.aclosing(export.export(api, params)) as pieces:
                async for lines in pieces:
                    write_json(lines)
                    done += lines.count(b"\n")
                    progress.tell(done)
        except export.IncompleteError as error:
            fail(f"{url} broke off after {done:,} tasks ({error}), so tasks are missing. Run the export again.")
        progress.end(done)

    with_api(url, key_file, write)

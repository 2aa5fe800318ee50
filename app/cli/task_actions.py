"""Commands about tasks by ids or by a filter: tasks cancel, tasks requeue, tasks delete."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from app.cli.calls import refusal, with_api
from app.cli.errors import refuse
from app.cli.filters import as_json, filters
from app.cli.options import URL, key_file
from app.cli.printing import show

if TYPE_CHECKING:
    from app.client.api import Api
    from app.client.tasks import Action

DONE = {"cancel": "cancelled", "requeue": "requeued", "delete": "deleted"}
UNLIMITED = sys.maxsize


def _chosen(command: Callable[..., None]) -> Callable[..., None]:
    """Add what the three commands have in common."""
    options: list[Callable[[Callable[..., None]], Callable[..., None]]] = [
        click.argument("ids", metavar="[ID]...", nargs=-1, type=click.UUID),
        filters,
        click.option("--limit", type=click.IntRange(min=1), help="Change so many at most, the oldest first."),
        click.option("--dry-run", is_flag=True, help="Change nothing; say how many it would be."),
        click.option("--yes", is_flag=True, help="Do not ask before all that match a filter are changed."),
        URL,
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command("cancel")
@_chosen
@key_file("Its scopes: read and write.")
def cancel_tasks(**options: Any) -> None:
    """Cancel tasks by IDs or filters.

    \b
    Examples:
    taskpulse tasks cancel ID
    taskpulse tasks cancel --label print --priority low --dry-run

    The worker that holds a task is asked to stop. A filter skips finished tasks.
    """
    _act("cancel", **options)


@click.command("requeue")
@_chosen
@key_file("Its scope: work.")
def requeue_tasks(**options: Any) -> None:
    """Open finished tasks again by IDs or filters.

    \b
    Examples:
    taskpulse tasks requeue ID
    taskpulse tasks requeue --status failed --label print --yes

    They get all their attempts back. A filter skips tasks that a worker holds, and those whose unique key another
    unfinished task has.
    """
    _act("requeue", **options)


@click.command("delete")
@_chosen
@key_file("Its scope: write.")
def delete_tasks(**options: Any) -> None:
    """Delete tasks for good by IDs or filters.

    \b
    Examples:
    taskpulse tasks delete ID
    taskpulse tasks delete --status done --label print --dry-run

    A task that a worker holds stays: cancel it first.
    """
    _act("delete", **options)


def _act(
    action: "Action",
    *,
    ids: Sequence[UUID],
    limit: int | None,
    dry_run: bool,
    yes: bool,
    url: str,
    key_file: Path | None,
    **options: Any,
) -> None:
    wanted = as_json(options)
    if bool(ids) == bool(wanted):
        refuse(f"Say which tasks to {action}: either by their IDs or by filters, as in --status failed.")
    if ids and (limit is not None or dry_run):
        refuse("--limit and --dry-run are for filters, not for IDs.")
    most = limit or UNLIMITED
    if ids:
        work = _by_ids(action, [str(each) for each in ids])
    elif dry_run:
        work = _counted(action, wanted, most)
    else:
        work = _by_filter(action, wanted, most, ask_first=not yes)
    with_api(url, key_file, work)


def _by_ids(action: "Action", ids: Sequence[str]) -> Callable[["Api"], Any]:
    from app.client import tasks
    from app.client.answers import RefusedError

    async def work(api: "Api") -> None:
        failed = False
        for task_id in ids:
            try:
                raw = await getattr(tasks, action)(api, task_id)
            except RefusedError as error:
                if error.status in (401, 403):
                    raise
                failed = True
                click.echo(f"Error: {refusal(error)}", err=True)
            except tasks.AlreadyFinishedError as error:
                failed = True
                click.echo(f"Error: {error}.", err=True)
            else:
                stops = raw is not None and tasks.decoded(raw).cancel_requested
                show([f"Asked the worker of task {task_id} to stop." if stops else f"Task {task_id} {DONE[action]}."])
        if failed:
            raise click.exceptions.Exit(1)

    return work


def _counted(action: "Action", wanted: dict[str, Any], most: int) -> Callable[["Api"], Any]:
    from app.client import tasks

    async def work(api: "Api") -> None:
        outcome = await tasks.count(api, action, wanted, most)
        show([f"{_number(outcome, most)} would be {DONE[action]}{_skipped(outcome.skipped)}."])

    return work


def _by_filter(action: "Action", wanted: dict[str, Any], most: int, *, ask_first: bool) -> Callable[["Api"], Any]:
    from app.client import tasks
    from app.client.progress import Progress

    async def work(api: "Api") -> None:
        if ask_first:
            outcome = await tasks.count(api, action, wanted, most)
            if not outcome.changed:
                show([f"Nothing to {action}{_skipped(outcome.skipped)}."])
                return
            _ask(action, _number(outcome, most))
        done, skipped, progress = 0, 0, Progress(DONE[action], None)
        async for outcome in tasks.change_many(api, action, wanted, most):
            done, skipped = done + outcome.changed, outcome.skipped
            progress.tell(done)
        progress.end(done)
        show([f"{_tasks(done)} {DONE[action]}{_skipped(skipped)}."])

    return work


def _ask(action: "Action", number: str) -> None:
    if sys.stdin is None or not sys.stdin.isatty():
        refuse(f"{number} would be {DONE[action]}: add --yes if that is what you want, or look with --dry-run first.")
    click.confirm(f"{action.capitalize()} {number}?", abort=True, err=True)


def _number(outcome: Any, most: int) -> str:
    """Return how many tasks a count found; it ends at 1,000."""
    more = "more than " if outcome.more and outcome.changed < most else ""
    return f"{more}{_tasks(outcome.changed)}"


def _tasks(number: int) -> str:
    return "1 task" if number == 1 else f"{number:,} tasks"


def _skipped(number: int) -> str:
    return f" ({number:,} skipped)" if number else ""

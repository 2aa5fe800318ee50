"""Commands for the rules of queues: queues list, show, pause, resume, limit, alert, delete."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.cli.calls import with_api
from app.cli.errors import refuse
from app.cli.options import TEXT, URL, Duration, key_file
from app.cli.printing import OUTPUT, show, show_items, show_json, width

if TYPE_CHECKING:
    from app.client.api import Api
    from app.client.queues import Rules

MOST_LEASES = 1_000_000
MOST = 100_000
"""The most labels that `list` holds."""


class OrNone(click.ParamType[Any]):
    """A value of another type, or `none`."""

    def __init__(self, inner: click.ParamType[Any]) -> None:
        self._inner = inner
        self.name = f"{inner.name} or none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value, None for `none`."""
        return None if value == "none" else self._inner.convert(value, param, ctx)


def _label(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not 1 <= len(value) <= 50:
        raise click.BadParameter(f"a label has 1 to 50 characters, not {len(value)}.")
    return value


LABEL = click.argument("label", type=TEXT, callback=_label)


@click.group()
def queues() -> None:
    """Pause and limit the tasks with a label.

    \b
    Examples:
    taskpulse queues list
    taskpulse queues pause print
    taskpulse queues limit print 5

    A label gets a queue with its first rule. Workers keep the tasks that they hold already.
    """


@queues.command("list")
@click.option(
    "--limit", type=click.IntRange(1, MOST), default=50, show_default=True, help="The most labels that are shown."
)
@OUTPUT
@URL
@key_file("Its scope: read.")
def list_queues(*, limit: int, output: str, url: str, key_file: Path | None) -> None:
    """List the labels in use.

    Each with its unfinished tasks and its rules:

    \b
    ready      tasks that can be claimed
    scheduled  tasks that wait for their time
    leased     tasks that workers hold
    quiet      tasks whose worker has gone silent
    oldest     for how long a task has been ready
    """
    import msgspec

    from app.client import paging, queues
    from app.client.queue_text import queue_table

    async def read(api: "Api") -> tuple[paging.Page, datetime]:
        return await paging.first(api, "queues", {}, limit), api.clock.correct(datetime.now(UTC))

    page, now = with_api(url, key_file, read)
    if output != "text":
        show_items(page.items, output, page.next_cursor)
    elif page.items:
        show(queue_table([msgspec.json.decode(item, type=queues.Figures) for item in page.items], now, width()))
    else:
        click.echo("No label is in use.", err=True)
    if page.next_cursor is not None:
        click.echo(f"These are the first {limit:,}; there are more. --limit shows more.", err=True)


@queues.command("show")
@LABEL
@OUTPUT
@URL
@key_file("Its scope: read.")
def show_queue(*, label: str, output: str, url: str, key_file: Path | None) -> None:
    """Show the rules of a label."""
    from app.client import queues

    async def read(api: "Api") -> None:
        _show(await queues.read(api, label), output, api.clock.correct(datetime.now(UTC)))

    with_api(url, key_file, read)


@queues.command("pause")
@LABEL
@OUTPUT
@URL
@key_file("Its scopes: read and write.")
def pause_queue(**options: Any) -> None:
    """Stop all claims of tasks with the label."""
    _change(paused=True, **options)


@queues.command("resume")
@LABEL
@OUTPUT
@URL
@key_file("Its scopes: read and write.")
def resume_queue(**options: Any) -> None:
    """Allow claims of tasks with the label again."""
    _change(paused=False, **options)


@queues.command("limit")
@LABEL
@click.argument("leases", type=OrNone(click.IntRange(0, MOST_LEASES)), metavar="NUMBER|none")
@OUTPUT
@URL
@key_file("Its scopes: read and write.")
def limit_queue(*, leases: int | None, **options: Any) -> None:
    """Limit how many tasks workers hold at a time.

    \b
    Examples:
    taskpulse queues limit print 5
    taskpulse queues limit print none
    """
    _change(max_leases=leases, **options)


@queues.command("alert")
@LABEL
@click.argument("within", type=OrNone(Duration()), metavar="DURATION|none")
@OUTPUT
@URL
@key_file("Its scopes: read and write.")
def alert_of_queue(*, within: Any, **options: Any) -> None:
    """Set how long tasks may be ready.

    An alert fires once a task with the label has been ready for longer.

    \b
    Examples:
    taskpulse queues alert print 30m
    taskpulse queues alert print none
    """
    seconds = None if within is None else int(within.total_seconds())
    if seconds is not None and seconds > 365 * 86_400:
        refuse("The time may be 365d at most.")
    _change(ready_within_s=seconds, **options)


@queues.command("delete")
@LABEL
@URL
@key_file("Its scope: write.")
def delete_queue(*, label: str, url: str, key_file: Path | None) -> None:
    """Delete the rules of a label; its tasks stay."""
    from app.client import queues
    from app.client.output import printable

    async def delete(api: "Api") -> None:
        await queues.delete(api, label)

    with_api(url, key_file, delete)
    show([f"Deleted the rules for the label {printable(label)}."])


def _change(*, label: str, output: str, url: str, key_file: Path | None, **rules: Any) -> None:
    import msgspec

    from app.client import queues
    from app.client.output import printable

    new: Callable[[Rules], Rules] = lambda present: msgspec.structs.replace(present, **rules)  # noqa: E731

    async def change(api: "Api") -> None:
        raw = await queues.change_rules(api, label, new)
        if raw is not None:
            _show(raw, output, api.clock.correct(datetime.now(UTC)))
        elif output == "text":
            show([f"The label {printable(label)} has no rules, so nothing changes."])

    with_api(url, key_file, change)


def _show(raw: Any, output: str, now: datetime) -> None:
    from app.client import queues
    from app.client.queue_text import queue_details

    if output == "text":
        show(queue_details(queues.decoded(raw), now))
    else:
        show_json(raw, output)

"""The command watch."""

from typing import TextIO

import click

from app.cli.errors import fail
from app.cli.options import ACTIONS, STATUSES, URL, api_key


@click.command("watch")
@URL
@click.option("--key-file", type=click.File(), help="A file with the key, of scope read; without it, TASKPULSE_KEY.")
@click.option("--after", help="Begin after the event with this id; 0: with the oldest that is kept. Default: now.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--task", multiple=True, help="Only events of the task with this id; repeat any filter for several.")
@click.option(
    "--action", multiple=True, type=click.Choice(ACTIONS), metavar="ACTION", help=f"Only this: {', '.join(ACTIONS)}."
)
@click.option("--status", multiple=True, type=click.Choice(STATUSES), help="Only events that gave a task this status.")
@click.option("--assignee", multiple=True, help="Only events of tasks with this assignee.")
@click.option("--label", multiple=True, help="Only events of tasks with this label.")
def watch_events(
    *, url: str, key_file: TextIO | None, after: str | None, output: str, **filters: tuple[str, ...]
) -> None:
    """Follow every change, a line each, until Ctrl-C.

    Comes back by itself to where it was when the connection ends. With --output json, a line holds the event as the
    API sends it.
    """
    import asyncio

    from app.client.api import RefusedError
    from app.client.watch import watch

    try:
        asyncio.run(watch(url, api_key(key_file), filters, after, as_json=output == "json"))
    except RefusedError as error:
        fail(f"the API refuses: {error}")

"""The command watch."""

from pathlib import Path

import click

from app.cli.calls import refusal
from app.cli.errors import fail
from app.cli.options import ACTIONS, STATUSES, TEXT, URL, api_key, key_file


@click.command("watch")
@URL
@key_file("Its scope: read.")
@click.option(
    "--after", type=TEXT, help="Begin after the event with this id; 0: with the oldest that is kept. Default: now."
)
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option(
    "--task", multiple=True, type=TEXT, help="Only events of the task with this id; repeat any filter for several."
)
@click.option(
    "--action", multiple=True, type=click.Choice(ACTIONS), metavar="ACTION", help=f"Only this: {', '.join(ACTIONS)}."
)
@click.option("--status", multiple=True, type=click.Choice(STATUSES), help="Only events that gave a task this status.")
@click.option("--assignee", multiple=True, type=TEXT, help="Only events of tasks with this assignee.")
@click.option("--label", multiple=True, type=TEXT, help="Only events of tasks with this label.")
def watch_events(
    *, url: str, key_file: Path | None, after: str | None, output: str, **filters: tuple[str, ...]
) -> None:
    """Print every change as one line, until Ctrl-C.

    Standard error says when it is connected. If the connection ends, it connects again and continues where it was.
    With --output json, each line is the event as the API sends it, with its id. Give the last id that you handled to
    --after to continue where you stopped. It waits for a slow reader.

    Exit status: 0 after a signal, or when nobody reads the output any more; 1 if the API refuses, or the output cannot
    be written; 2 for wrong arguments.
    """
    import asyncio

    from app.client.answers import RefusedError
    from app.client.api import SetupError
    from app.client.output import streams
    from app.client.watch import OutputError, watch

    streams()
    key = api_key(key_file)
    try:
        asyncio.run(watch(url, key, filters, after, as_json=output == "json"))
    except RefusedError as error:
        fail(refusal(error))
    except OutputError as error:
        fail(error)
    except SetupError as error:
        fail(f"{url}: {error}")

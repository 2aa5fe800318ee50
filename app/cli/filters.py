"""The filters of the API's list of tasks, as options."""

from collections.abc import Callable, Mapping
from typing import Any

import click

from app.cli.options import PRIORITIES, STATUSES, TEXT, TIME

YES_OR_NO = click.Choice(["true", "false"])
SORTS = [f"{sign}{name}" for name in ("created_at", "updated_at", "due_at", "priority") for sign in ("-", "")]

_OPTIONS = [
    click.option(
        "--status",
        multiple=True,
        type=click.Choice(STATUSES),
        help="Repeat this, or one of the next three, for any of several.",
    ),
    click.option("--priority", multiple=True, type=click.Choice(PRIORITIES)),
    click.option("--assignee", multiple=True, type=TEXT),
    click.option("--label", multiple=True, type=TEXT),
    click.option("--q", type=TEXT, help="Words to find in title or description."),
    click.option("--due-before", type=TIME, help="As in 2026-01-31T12:00:00Z."),
    click.option("--due-after", type=TIME),
    click.option("--created-before", type=TIME),
    click.option("--created-after", type=TIME),
    click.option("--updated-after", type=TIME),
    click.option("--run-after-before", type=TIME, help="Whose `run_after` is before this time."),
    click.option("--run-after-after", type=TIME, help="Whose `run_after` is after this time."),
    click.option("--ready", type=YES_OR_NO, is_flag=False, flag_value="true", help="Can be claimed now, or not."),
    click.option("--overdue", type=YES_OR_NO, is_flag=False, flag_value="true", help="Unfinished and late, or not."),
    click.option(
        "--lease", type=click.Choice(["live", "expired", "none"]), help="A worker holds it, let it expire, or none has."
    ),
]

SORT = click.option(
    "--sort",
    type=click.Choice(SORTS),
    metavar="NAME",
    default="-created_at",
    show_default=True,
    help=f"{', '.join(SORTS[1::2])}; a minus before it sorts downwards.",
)


def filters(command: Callable[..., None]) -> Callable[..., None]:
    """Add the filters; the command gets them by the names that the API has for them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the filters that are set, as parameters of a query."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in options.items() if value}


def as_json(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the filters that are set, as a `filter` in a body."""
    return {name: value == "true" if name in ("ready", "overdue") else value for name, value in given(options).items()}

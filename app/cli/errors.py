"""How a command fails."""

from typing import NoReturn

import click


def fail(message: object) -> NoReturn:
    """Exit with 1: the arguments are right, and something else is not."""
    text = str(message)
    raise click.ClickException(text if text.startswith("http") else text[:1].upper() + text[1:])


def refuse(message: str) -> NoReturn:
    """Exit with 2 and show the usage: an argument, or what stands for one, is wrong."""
    raise click.UsageError(message, click.get_current_context())

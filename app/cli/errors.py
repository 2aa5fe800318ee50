"""How a command fails."""

import sys
from typing import NoReturn

import click


def fail(message: object) -> NoReturn:
    """Print one line on standard error and exit with status 1."""
    click.echo(f"taskpulse: {message}", err=True)
    sys.exit(1)

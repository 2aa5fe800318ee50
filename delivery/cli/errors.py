from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from delivery.errors import DeliveryError


@contextmanager
def as_click_errors() -> Iterator[None]:
    """Have click print the sentence of a DeliveryError, and exit with 1."""
    try:
        yield
    except DeliveryError as error:
        raise click.ClickException(error.message) from None


class Group(click.Group):
    """Commands that raise DeliveryError."""

    def invoke(self, ctx: click.Context) -> Any:
        with as_click_errors():
            return super().invoke(ctx)

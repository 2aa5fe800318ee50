from typing import Any

import click

from delivery.errors import ArgumentError, DeliveryError


class Command(click.Command):
    """A command that ends with the sentence of a DeliveryError: exit status 2 for a wrong argument, else 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ArgumentError as error:
            raise click.UsageError(error.message, ctx) from None
        except DeliveryError as error:
            raise click.ClickException(error.message) from None

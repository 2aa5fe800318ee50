from typing import Any

import click

from delivery.errors import ArgumentError, DeliveryError


class Command(click.Command):
    """A command that ends with the sentence of an error: exit status 2 for a wrong argument, else 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ArgumentError as error:
            raise click.UsageError(error.message, ctx) from None
        except DeliveryError as error:
            raise click.ClickException(error.message) from None
        except OSError as error:
            raise click.ClickException(in_words(error)) from None


def in_words(error: OSError) -> str:
    """What this machine does not do, such as when a disk is full."""
    place = f" {error.filename}" if error.filename else ""
    reason = error.strerror or type(error).__name__
    return f"This machine cannot read or write{place}: {reason}. Fix that, then run the same command again."

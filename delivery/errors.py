import click


class DeliveryError(click.ClickException):
    """A sentence for the person at the terminal: what is wrong and how to mend it. Exit status 1."""

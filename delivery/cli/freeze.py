"""The commands `freeze` and `unfreeze`."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from delivery.cli.command import Command
from delivery.deploy import freeze
from delivery.deploy.freeze import Freeze
from delivery.deploy.lock import person
from delivery.deploy.overlay import namespace_of
from delivery.errors import ArgumentError

SPAN = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?")
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class Moment(click.ParamType[datetime]):
    """A time with its zone, a date, which is its first moment in UTC, or a span from now on."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        text = str(value)
        span = SPAN.fullmatch(text)
        if span and any(span.groups()):
            days, hours, minutes = (int(each or 0) for each in span.groups())
            return datetime.now(UTC) + timedelta(days=days, hours=hours, minutes=minutes)
        try:
            moment = datetime.fromisoformat(f"{text}T00:00Z" if DATE.fullmatch(text) else text)
        except (ValueError, OverflowError):
            self.fail(f"{text} is no time: write 2026-12-24T18:00+01:00, 2026-12-24 (in UTC), or 3d12h.", param, ctx)
        if moment.tzinfo is None:
            self.fail(f"{text} has no time zone: write {text}Z for UTC, or {text}+01:00.", param, ctx)
        return moment


@click.command("freeze", cls=Command)
@click.argument("overlay")
@click.option("--until", type=Moment(), required=True, help="2026-12-24T18:00+01:00, 2026-12-24 (in UTC), or 3d12h.")
@click.option("--reason", required=True, help="Whoever wants to deploy reads it.")
def freeze_command(overlay: str, until: datetime, reason: str) -> None:
    """Refuse deploys until a time.

    In the cluster of the current kubeconfig. A running deploy continues, and a rollback is still possible. Freeze again
    to change the time or the reason; `unfreeze` ends it early.
    """
    if not (words := " ".join(reason.split())):
        raise ArgumentError("--reason is empty. Say why nobody may deploy: everybody who tries to will read it.")
    wanted = Freeze(until, words, person())
    if wanted.is_over:
        raise ArgumentError(f"--until {freeze.in_utc(until)} is over: give a time to come.")
    freeze.set_freeze(namespace_of(overlay), wanted)
    click.echo(f"{overlay} {wanted}")


@click.command("unfreeze", cls=Command)
@click.argument("overlay")
def unfreeze_command(overlay: str) -> None:
    """Allow deploys again before a freeze ends."""
    if freeze.lift(namespace_of(overlay)):
        click.echo(f"{overlay} is not frozen any more.")
    else:
        click.echo(f"{overlay} was not frozen.")

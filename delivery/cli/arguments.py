"""Types of arguments."""

import re
from pathlib import Path
from typing import Any

import click

from delivery.checkout import ROOT
from delivery.errors import DeliveryError
from delivery.kustomizations import overlays

DURATION = re.compile(r"(?:(\d+)m)?(?:(\d+)s)?")


class Duration(click.ParamType[float]):
    """Minutes and seconds, as kubectl has them: 10m, 90s, 1m30s."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        match = DURATION.fullmatch(str(value))
        if not match or not any(match.groups()):
            self.fail(f"{value} is no duration: write 10m, 90s or 1m30s.", param, ctx)
        return int(match[1] or 0) * 60.0 + int(match[2] or 0)


class Overlay(click.ParamType[str]):
    """Name of an overlay of the checkout, which is looked at only when the argument is given."""

    name = "overlay"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            names = overlays()
        except DeliveryError as error:
            self.fail(error.message, param, ctx)
        if value not in names:
            self.fail(f"{value!r} is not one of {', '.join(names)}.", param, ctx)
        return str(value)


root_option = click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=ROOT,
    help="Checkout of another repository; else this one.",
)

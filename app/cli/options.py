"""Options and checks that several commands share."""

import os
import re
from datetime import timedelta
from typing import Any, TextIO
from urllib.parse import urlsplit

import click

from app.cli.errors import fail, refuse
from app.settings import Settings, SettingsError

# the server's own lists: importing them from it would load all of it for every --help
SCOPES = ["read", "write", "work", "metrics"]
ACTIONS = ["created", "updated", "deleted", "claimed", "completed", "failed", "released", "expired", "requeued"]
STATUSES = ["open", "in_progress", "done", "cancelled", "failed"]


def settings_from_environment() -> Settings:
    """Return the settings, or fail with the reason."""
    try:
        return Settings.from_environment(os.environ)
    except SettingsError as error:
        fail(error)


class Duration(click.ParamType[timedelta]):
    """A number with s, m, h or d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the time span that `value` stands for: at least a second and at most 366 days."""
        match = re.fullmatch(r"(\d{1,9})([smhd])", value)
        units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
        span = timedelta(**{units[match[2]]: int(match[1])}) if match else timedelta()
        if not timedelta(seconds=1) <= span <= timedelta(days=366):
            self.fail(
                f"{value!r} must be a number with s, m, h or d, as in 90s or 24h, of 366 days at most.", param, ctx
            )
        return span


def _api_url(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    try:
        url = urlsplit(value)
        valid = url.scheme in {"http", "https"} and url.hostname and (url.port is None or url.port > 0)
    except ValueError:
        valid = False
    if not valid:
        raise click.BadParameter(f"{value!r} is not the address of an API, as in http://localhost:8000.")
    return value


URL = click.option("--url", envvar="TASKPULSE_URL", required=True, callback=_api_url, help="The API; or TASKPULSE_URL.")


def api_key(file: TextIO | None) -> str:
    """Return the key in `file` or in TASKPULSE_KEY, or fail with the reason."""
    key = (file.read() if file else os.environ.get("TASKPULSE_KEY", "")).strip()
    if not key:
        refuse("There is no key: set TASKPULSE_KEY, or name a file by --key-file.")
    if not re.fullmatch(r"[!-~]+", key):
        refuse("The key must be one word that begins with tp_: it holds a character that no key has, such as a blank.")
    return key

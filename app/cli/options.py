"""Options and checks that several commands share."""

import os
import re
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from app.cli.errors import fail, refuse
from app.client.key import VALID, Key
from app.settings import Settings, SettingsError

# the server's own lists: importing them from it would load all of it for every --help
SCOPES = ["read", "write", "work", "metrics"]
ACTIONS = ["created", "updated", "deleted", "claimed", "completed", "failed", "released", "expired", "requeued"]
STATUSES = ["open", "in_progress", "done", "cancelled", "failed"]
PRIORITIES = ["low", "normal", "high", "urgent"]


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


class Text(click.ParamType[str]):
    """Text that can be sent to the API."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text; it must have come as UTF-8."""
        text = str(value)
        try:
            text.encode()
        except UnicodeEncodeError:
            self.fail(f"{text!r} is not UTF-8. Save the script or crontab that holds it as UTF-8.", param, ctx)
        return text


class Time(click.ParamType[str]):
    """A time of RFC 3339 with an offset."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text as it is, for the API."""
        try:
            naive = datetime.fromisoformat(value).tzinfo is None
        except ValueError:
            naive = True
        if naive:
            self.fail(f"{value!r} is not a time with an offset, as in 2026-01-31T12:00:00Z.", param, ctx)
        return str(value)


class JSON(click.ParamType[Any]):
    """JSON that can be sent to the API, as it is written."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the JSON as msgspec.Raw, numbers to the last digit."""
        import msgspec

        try:
            msgspec.json.decode(TEXT.convert(value, param, ctx))
        except (msgspec.DecodeError, RecursionError) as error:
            self.fail(f"""{value!r} is not JSON ({error}), as in '{{"pages": 3}}'.""", param, ctx)
        return msgspec.Raw(value.encode())


TEXT, TIME = Text(), Time()


def _api_url(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    import httpx

    try:
        url = httpx.URL(value)
        valid = url.scheme in {"http", "https"} and url.host and url.port != 0
    except (ValueError, httpx.InvalidURL):
        valid = False
    if not valid:
        raise click.BadParameter(f"{value!r} is not the address of an API, as in http://localhost:8000.")
    if url.userinfo or url.query or url.fragment:
        raise click.BadParameter(
            "The address of an API has no user, no query and no fragment, as http://localhost:8000."
        )
    return value


URL = click.option(
    "--url",
    envvar="TASKPULSE_URL",
    show_envvar=True,
    required=True,
    callback=_api_url,
    help="The address of the API, as in http://localhost:8000.",
)


def key_file(scopes: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add --key-file; `scopes` says what the key in it must have."""
    path = click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True, path_type=Path)
    text = f"A file with the key, read again when the API refuses the key; without it, TASKPULSE_KEY. {scopes}"
    return click.option("--key-file", type=path, help=text)


def api_key(file: Path | None) -> Key:
    """Return the key in `file` or in TASKPULSE_KEY, or fail with the reason."""
    try:
        if file is None:
            text = os.environ.get("TASKPULSE_KEY", "")
        else:
            text = file.read_text("utf-8") if file != Path("-") else sys.stdin.read() if sys.stdin else ""
    except (OSError, UnicodeDecodeError) as error:
        fail(f"the key cannot be read from {file}: {error}")
    key = Key(text.strip(), file)
    if not key.text:
        refuse("There is no key: set TASKPULSE_KEY, or name a file by --key-file. `make run` keeps one in .data/key.")
    if not VALID.fullmatch(key.text):
        refuse("The key must be one word that begins with tp_: it holds a character that no key has, such as a blank.")
    return key

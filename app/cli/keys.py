"""Commands for API keys: keys create, keys list, keys revoke."""

import json
from datetime import datetime

import click

from app.cli.errors import fail, refuse
from app.cli.options import SCOPES, settings_from_environment


@click.group()
def keys() -> None:
    """Create, list and revoke API keys.

    The scopes of a key: read (read tasks), write (create, change, delete), work (claim, pulse, complete), metrics
    (scrape /metrics).
    """


@keys.command("create")
@click.option("--name", required=True, help="Who uses the key; the history shows it.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(SCOPES),
    help="Repeat it for several.",
)
@click.option("--days", type=click.IntRange(1, 3650), help="Days until the key expires. Default: never.")
def create_key(name: str, scopes: tuple[str, ...], days: int | None) -> None:
    """Create a key and print it. You cannot see it again: only a hash is stored."""
    from app.keys import admin as api_keys

    try:
        token = api_keys.create(settings_from_environment(), name, scopes, days)
    except api_keys.KeyNameError as error:
        refuse(f"--name: {error}")
    except api_keys.KeysError as error:
        fail(error)
    click.echo(token)


@keys.command("list")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def list_keys(output: str) -> None:
    """List all keys, including revoked ones."""
    from app.keys import admin as api_keys

    try:
        rows = api_keys.list_keys(settings_from_environment())
    except api_keys.KeysError as error:
        fail(error)
    if output == "json":
        click.echo(json.dumps([row._asdict() for row in rows], default=_time, indent=2, ensure_ascii=False))
        return
    click.echo(f"{'ID':12}  {'CREATED':20}  {'STATE':28}  {'SCOPES':24}  NAME")
    for row in rows:
        state = "valid"
        if row.revoked_at:
            state = f"revoked {_time(row.revoked_at)}"
        elif row.expires_at:
            state = f"expires {_time(row.expires_at)}"
        click.echo(f"{row.id:12}  {_time(row.created_at)}  {state:28}  {','.join(row.scopes):24}  {row.name}")


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


@keys.command("revoke")
@click.argument("key_id", metavar="ID")
def revoke_key(key_id: str) -> None:
    """Revoke the key tp_ID_….

    Every process refuses it within ten seconds.
    """
    from app.keys import admin as api_keys

    try:
        name = api_keys.revoke(settings_from_environment(), key_id)
    except api_keys.KeysError as error:
        fail(error)
    click.echo(f"Revoked the key of {name}.")

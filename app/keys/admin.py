"""API keys as an operator handles them: made, listed, revoked."""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime

import psycopg

from app.keys.keyring import SCOPES, TOKEN, digest, new_token
from app.postgres.pool import connection_parameters, sql
from app.settings import Settings


class KeysError(Exception):
    """A key cannot be handled; the message is a sentence for the operator."""


@contextlib.contextmanager
def _connected(settings: Settings) -> Iterator[psycopg.Connection]:
    try:
        with psycopg.connect(**connection_parameters(settings), autocommit=True) as connection:
            yield connection
    except psycopg.errors.UndefinedTable:
        raise KeysError("the database has no keys yet: run `taskpulse migrate` first.") from None
    except psycopg.OperationalError as error:
        raise KeysError(f"the database cannot be reached: {str(error).strip()}") from None


def create(settings: Settings, name: str, scopes: Sequence[str], days: int | None) -> str:
    """Make a key that is valid for `days` (None: for ever) and return its token.

    Raises KeysError.
    """
    if wrong := sorted(set(scopes) - set(SCOPES)):
        raise KeysError(f"{', '.join(wrong)}: no such scope. There are {', '.join(SCOPES)}.")
    if not (1 <= len(name) <= 100 and name.isprintable()):
        raise KeysError("a key's name has 1 to 100 characters, all of which can be printed in a line.")
    key_id, digest, token = new_token()
    values = {
        "id": key_id,
        "secret_sha256": digest,
        "name": name,
        "scopes": sorted(set(scopes)),
        "valid_for": None if days is None else f"{days} days",
    }
    with _connected(settings) as connection:
        connection.execute(sql("keys/insert_api_key"), values)
    return token


def holds(settings: Settings, token: str) -> bool:
    """Say whether the database has this key and has not revoked it.

    Raises KeysError.
    """
    match = TOKEN.fullmatch(token)
    if match is None:
        return False
    with _connected(settings) as connection:
        row = connection.execute(sql("keys/get_api_key"), {"id": match[1]}).fetchone()
    return row is not None and bytes(row[0]) == digest(match[2])


def listing(settings: Settings) -> list[str]:
    """Return a table of all keys, a line each.

    Raises KeysError.
    """
    with _connected(settings) as connection:
        rows = connection.execute(sql("keys/list_api_keys")).fetchall()
    lines = [f"{'ID':12}  {'CREATED':20}  {'STATE':28}  {'SCOPES':24}  NAME"]
    for key_id, name, scopes, created_at, expires_at, revoked_at in rows:
        state = "valid"
        if revoked_at:
            state = f"revoked {_time(revoked_at)}"
        elif expires_at:
            state = f"expires {_time(expires_at)}"
        lines.append(f"{key_id:12}  {_time(created_at)}  {state:28}  {','.join(scopes):24}  {name}")
    return lines


def revoke(settings: Settings, key_id: str) -> str:
    """Revoke a key, given by its id or as tp_<id>_…, and return its name.

    Raises KeysError.
    """
    key_id = key_id.removeprefix("tp_").partition("_")[0]
    with _connected(settings) as connection:
        row = connection.execute(sql("keys/revoke_api_key"), {"id": key_id}).fetchone()
    if row is None:
        raise KeysError(f"there is no key with the id {key_id!r}; `taskpulse keys list` shows all.")
    return str(row[0])


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"

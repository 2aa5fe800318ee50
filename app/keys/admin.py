"""Creates, lists and revokes API keys, for the operator."""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import psycopg

from app.keys.authentication import TOKEN, digest, new_token
from app.postgres.pool import connection_parameters
from app.postgres.statements import sql
from app.settings import Settings


class KeysError(Exception):
    """A command about keys failed; the message is a sentence for the operator."""


class KeyRow(NamedTuple):
    """A row of list_api_keys.sql."""

    id: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class StoredKey(NamedTuple):
    """A row of get_api_key.sql."""

    secret_sha256: bytes
    scopes: list[str]
    expires_at: datetime | None


class KeyNameError(KeysError):
    """A key cannot have this name."""


@contextlib.contextmanager
def _connected(settings: Settings) -> Iterator[psycopg.Connection]:
    try:
        with psycopg.connect(**connection_parameters(settings), autocommit=True) as connection:
            yield connection
    except psycopg.errors.UndefinedTable:
        raise KeysError("the database has no keys yet: run `taskpulse migrate` first.") from None
    except psycopg.OperationalError as error:
        raise KeysError(f"the database cannot be reached: {str(error).strip()}") from None


def create(settings: Settings, name: str, scopes: Sequence[str], days: int | None, known: str = "") -> str:
    """Create a key that is valid for `days` (None: for ever) and return its token.

    The token is `known` if that is one that this database has never had: a key of another database is then valid here.

    Raises KeyNameError for a name that cannot be printed in a line, and KeysError.
    """
    if not (1 <= len(name) <= 100 and name.isprintable()):
        raise KeyNameError("a key's name has 1 to 100 characters, all of which can be printed in a line.")
    values = {
        "name": name,
        "scopes": sorted(set(scopes)),
        "valid_for": None if days is None else f"{days} days",
    }
    with _connected(settings) as connection:
        if match := TOKEN.fullmatch(known):
            with contextlib.suppress(psycopg.errors.UniqueViolation):
                own = {"id": match[1], "secret_sha256": digest(match[2])}
                connection.execute(sql("keys/insert_api_key"), values | own)
                return known
        key_id, secret, token = new_token()
        connection.execute(sql("keys/insert_api_key"), values | {"id": key_id, "secret_sha256": secret})
    return token


def holds(settings: Settings, token: str) -> bool:
    """Return whether the database has this key and it is not revoked.

    Raises KeysError.
    """
    match = TOKEN.fullmatch(token)
    if match is None:
        return False
    with _connected(settings) as connection:
        row = connection.execute(sql("keys/get_api_key"), {"id": match[1]}).fetchone()
    return row is not None and StoredKey._make(row).secret_sha256 == digest(match[2])


def list_keys(settings: Settings) -> list[KeyRow]:
    """Return all keys, oldest first, the revoked ones too.

    Raises KeysError.
    """
    with _connected(settings) as connection:
        return [KeyRow._make(row) for row in connection.execute(sql("keys/list_api_keys")).fetchall()]


def revoke(settings: Settings, key_id: str) -> str:
    """Revoke a key, given by its id or as tp_<id>_…, and return its name.

    Raises KeysError.
    """
    key_id = key_id.removeprefix("tp_").partition("_")[0]
    with _connected(settings) as connection:
        row = connection.execute(sql("keys/revoke_api_key"), {"id": key_id}).fetchone()
    if row is None:
        raise KeysError(f"there is no key with the id {key_id!r}; `taskpulse keys list` shows all.")
    (name,) = row
    return str(name)

"""API keys as a process looks them up: their form, their scopes, and a short-lived cache."""

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from app.postgres.pool import Database
from app.postgres.statements import sql
from app.problems import Problem

Scope = Literal["read", "write", "work", "metrics"]
SCOPES: tuple[Scope, ...] = ("read", "write", "work", "metrics")

RECHECK_S = 5.0
"""Seconds for which a cached key is trusted; after that, a revocation holds in every process."""

TOKEN = re.compile(r"tp_([0-9a-f]{12})_([0-9a-f]{64})")
"""A key as its owner has it; the groups are those of `Credentials`."""
_GET_KEY = sql("keys/get_api_key")


class Credentials(NamedTuple):
    """The two parts of a token."""

    key_id: str
    secret: str


class StoredKey(NamedTuple):
    """A row of get_api_key.sql."""

    secret_sha256: bytes
    scopes: list[str]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Key:
    """A cached key."""

    id: str
    secret_sha256: bytes
    scopes: frozenset[str]
    expires_at: datetime | None
    looked_up: float
    """Monotonic seconds."""


def new_token() -> tuple[str, bytes, str]:
    """Create a key; return its id, the SHA-256 of its secret and the token `tp_<id>_<secret>`."""
    key_id, secret = secrets.token_hex(6), secrets.token_hex(32)
    return key_id, digest(secret), f"tp_{key_id}_{secret}"


def digest(secret: str) -> bytes:
    """Return what the database stores of a secret."""
    return hashlib.sha256(secret.encode("ascii")).digest()


class KeyRing:
    """Looks keys up in the database and caches them for RECHECK_S."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys: dict[str, Key] = {}

    async def authenticate(self, credentials: Credentials) -> Key:
        """Return the key with this id and secret.

        Raises Problem: unauthenticated; psycopg.OperationalError when the database is away.
        """
        key_id, secret = credentials
        key = self._keys.get(key_id)
        if key is None or time.monotonic() - key.looked_up > RECHECK_S:
            key = await self._look_up(key_id)
        if key is None or not hmac.compare_digest(key.secret_sha256, digest(secret)):
            raise Problem("unauthenticated", "The key is unknown or revoked.")
        if key.expires_at is not None and key.expires_at <= datetime.now(UTC):
            raise Problem("unauthenticated", f"The key expired at {key.expires_at:%Y-%m-%dT%H:%M:%SZ}.")
        return key

    async def _look_up(self, key_id: str) -> Key | None:
        rows = await self._database.fetch(_GET_KEY, {"id": key_id})
        if not rows:
            self._keys.pop(key_id, None)
            return None
        row = StoredKey._make(rows[0])
        key = Key(key_id, row.secret_sha256, frozenset(row.scopes), row.expires_at, time.monotonic())
        self._keys[key_id] = key
        return key

"""API keys as a process knows them: their form, their scopes, and the hashes of all of them in memory."""

import asyncio
import hashlib
import hmac
import re
import secrets
import time
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from app.postgres.pool import Database
from app.postgres.statements import sql
from app.problems import Problem

Scope = Literal["read", "write", "work", "metrics"]
SCOPES: tuple[Scope, ...] = ("read", "write", "work", "metrics")

REFRESH_EVERY_S = 1.0
"""Seconds between two reads of all keys; a key that was revoked ends that much later."""
TRUST_S = 8.0
"""Seconds for which the keys in memory are trusted while the database cannot be read."""
PAUSE_S = 0.1
"""Seconds between two reads at least, however many calls come with unknown keys."""
MOST_WAITING = 8
"""Calls with unknown keys that wait for the next read, as their key may be new; others are refused without."""

TOKEN = re.compile(r"tp_([0-9a-f]{12})_([0-9a-f]{64})")
"""A key as its owner has it; the groups are those of `Credentials`."""
_LIST_KEYS = sql("keys/list_usable_api_keys")


class Credentials(NamedTuple):
    """The two parts of a token."""

    key_id: str
    secret: str


class Key(NamedTuple):
    """A row of list_usable_api_keys.sql."""

    id: str
    secret_sha256: bytes
    scopes: list[str]
    expires_at: datetime | None


def new_token() -> tuple[str, bytes, str]:
    """Create a key; return its id, the SHA-256 of its secret and the token `tp_<id>_<secret>`."""
    key_id, secret = secrets.token_hex(6), secrets.token_hex(32)
    return key_id, digest(secret), f"tp_{key_id}_{secret}"


def digest(secret: str) -> bytes:
    """Return what the database stores of a secret."""
    return hashlib.sha256(secret.encode("ascii")).digest()


class KeyRing:
    """Holds all keys in memory, so that a call needs no connection to find out who calls, nor does an unknown key."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys: dict[str, Key] = {}
        self._read_at = -TRUST_S
        """Monotonic seconds; when the last read that succeeded began."""
        self._reading = asyncio.Lock()
        self._next: asyncio.Task[None] | None = None
        """The read that has not begun yet."""
        self._waiting = 0

    async def authenticate(self, credentials: Credentials) -> Key:
        """Return the key with this id and secret.

        One that was created within the last second is found too, unless many calls come with unknown keys.
        Raises Problem: unauthenticated; psycopg.OperationalError when the database is away.
        """
        key_id, secret = credentials
        unknown = key_id not in self._keys and self._waiting < MOST_WAITING
        if unknown or time.monotonic() - self._read_at > TRUST_S:
            self._waiting += 1
            try:
                await self.refresh()
            finally:
                self._waiting -= 1
        key = self._keys.get(key_id)
        if key is None or not hmac.compare_digest(key.secret_sha256, digest(secret)):
            raise Problem("unauthenticated", "The key is unknown or revoked.")
        if key.expires_at is not None and key.expires_at <= datetime.now(UTC):
            raise Problem("unauthenticated", f"The key expired at {key.expires_at:%Y-%m-%dT%H:%M:%SZ}.")
        return key

    async def refresh(self) -> None:
        """Return once a read of all keys that began after this call has ended; all calls that wait share it.

        Raises psycopg.OperationalError.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._read())
        await asyncio.shield(self._next)

    async def _read(self) -> None:
        async with self._reading:
            try:
                await asyncio.sleep(PAUSE_S - (time.monotonic() - self._read_at))
            finally:
                self._next = None
            began = time.monotonic()
            self._keys = {row[0]: Key._make(row) for row in await self._database.fetch(_LIST_KEYS, {})}
            self._read_at = began

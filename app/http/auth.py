"""API keys and what they may do."""

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from app.http.headers import field
from app.http.problem_details import Problem
from app.postgres.pool import Database, sql

Scope = Literal["read", "write", "work", "metrics"]
SCOPES: tuple[Scope, ...] = ("read", "write", "work", "metrics")

RECHECK_S = 5.0
"""Seconds for which a key that was looked up is trusted; a revocation holds in every process after that."""

TOKEN = re.compile(r"tp_([0-9a-f]{12})_([0-9a-f]{64})")
_BEARER = re.compile(rf"(?i:bearer) +{TOKEN.pattern} *")
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="taskpulse"'}
_GET_KEY = sql("keys/get_api_key")


@dataclass(frozen=True, slots=True)
class Key:
    """A key as the database has it."""

    id: str
    secret_sha256: bytes
    scopes: frozenset[str]
    expires_at: datetime | None
    looked_up: float
    """Monotonic seconds."""


def new_token() -> tuple[str, bytes, str]:
    """Make a key: its id, the SHA-256 of its secret, and the token `tp_<id>_<secret>` with a 256-bit secret."""
    key_id, secret = secrets.token_hex(6), secrets.token_hex(32)
    return key_id, digest(secret), f"tp_{key_id}_{secret}"


def digest(secret: str) -> bytes:
    """Return what the database keeps of a secret."""
    return hashlib.sha256(secret.encode("ascii")).digest()


class KeyRing:
    """Looks keys up and remembers them for a few seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys: dict[str, Key] = {}

    async def authenticate(self, authorization: str | None) -> Key:
        """Return the key of an Authorization header (RFC 6750).

        Raises Problem: unauthenticated; psycopg.OperationalError when the database is away.
        """
        if not authorization:
            raise _unauthenticated("Send the header Authorization: Bearer tp_…")
        match = _BEARER.fullmatch(authorization)
        if match is None:
            raise _unauthenticated("The Authorization header must be Bearer and a key of the form tp_<id>_<secret>.")
        key = self._keys.get(match[1])
        if key is None or time.monotonic() - key.looked_up > RECHECK_S:
            key = await self._look_up(match[1])
        if key is None or not hmac.compare_digest(key.secret_sha256, digest(match[2])):
            raise _unauthenticated("The key is unknown or revoked.")
        if key.expires_at is not None and key.expires_at <= datetime.now(UTC):
            raise _unauthenticated(f"The key expired at {key.expires_at:%Y-%m-%dT%H:%M:%SZ}.")
        return key

    async def _look_up(self, key_id: str) -> Key | None:
        rows = await self._database.fetch(_GET_KEY, {"id": key_id})
        if not rows:
            self._keys.pop(key_id, None)
            return None
        secret_sha256, scopes, expires_at = rows[0]
        key = Key(key_id, secret_sha256, frozenset(scopes), expires_at, time.monotonic())
        self._keys[key_id] = key
        return key


async def authorize(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Admit a request whose key has the scope that the route names in `opt["scope"]`.

    Raises Problem: unauthenticated, forbidden; psycopg.OperationalError.
    """
    keyring: KeyRing = connection.app.state.keyring
    key = await keyring.authenticate(field(connection, b"authorization"))
    connection.scope["state"]["key_id"] = key.id
    if handler.opt["scope"] not in key.scopes:
        raise Problem(
            "forbidden",
            f"This call needs the scope {handler.opt['scope']!r}; the key has {', '.join(sorted(key.scopes))}.",
        )


def actor(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Return the id of the key that `authorize` admitted; history names it."""
    key_id: str = connection.scope["state"]["key_id"]
    return key_id


async def authorize_scrape(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Admit the token of METRICS_TOKEN, which needs no database, or else a key with the scope `metrics`.

    Raises Problem and psycopg.OperationalError, as `authorize` does.
    """
    header = field(connection, b"authorization") or ""
    token = connection.app.state.settings.metrics_token
    if token and hmac.compare_digest(header.encode(), f"Bearer {token}".encode()):
        return
    await authorize(connection, handler)


def _unauthenticated(detail: str) -> Problem:
    return Problem("unauthenticated", detail, headers=_CHALLENGE)

"""API keys as both Python peers check them: looked up, and remembered for five seconds."""

import hashlib
import hmac
import time
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession
from tables import APIKey

RECHECK_S = 5.0

_known: dict[str, tuple[float, bytes, frozenset[str], datetime | None]] = {}


async def authenticate(session: AsyncSession, token: str) -> tuple[str, frozenset[str]] | None:
    """Return the id and the scopes of the key tp_<id>_<secret>, or None where there is none."""
    _, _, rest = token.partition("tp_")
    key_id, _, secret = rest.partition("_")
    known = _known.get(key_id)
    if known is None or time.monotonic() - known[0] > RECHECK_S:
        key = await session.get(APIKey, key_id)
        if key is None or key.revoked_at is not None:
            _known.pop(key_id, None)
            return None
        known = _known[key_id] = (time.monotonic(), key.secret_sha256, frozenset(key.scopes), key.expires_at)
    _, digest, scopes, expires_at = known
    if not hmac.compare_digest(digest, hashlib.sha256(secret.encode()).digest()):
        return None
    return None if expires_at is not None and expires_at <= datetime.now(UTC) else (key_id, scopes)

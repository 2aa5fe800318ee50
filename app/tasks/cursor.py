"""Opaque cursors for lists: the position where a page ended, and a fingerprint of the list."""

import base64
import binascii
import hashlib
from typing import Any, TypeVar

import msgspec

from app.problems import FieldError, Problem, invalid

T = TypeVar("T")


def fingerprint(query: Any) -> bytes:
    """Return 8 bytes that identify a list query (filters and sort)."""
    return hashlib.blake2b(msgspec.msgpack.encode(query, order="sorted"), digest_size=8).digest()


def encode(last: Any, query: Any) -> str:
    """Return the cursor that continues `query` after a row with the sort values `last`."""
    return base64.urlsafe_b64encode(fingerprint(query) + msgspec.msgpack.encode(last)).decode().rstrip("=")


def decode(cursor: str, kind: type[T], query: Any) -> T:
    """Return the sort values in a cursor.

    Raises Problem: invalid-request, for a cursor that is damaged or belongs to another query.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        last = msgspec.msgpack.decode(raw[8:], type=kind)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise _refused("is damaged") from None
    if raw[:8] != fingerprint(query):
        raise _refused("belongs to a list with other filters or another sort")
    return last


def _refused(why: str) -> Problem:
    return invalid(
        FieldError("query", "cursor", f"cursor {why}; take it unchanged from next_cursor, with the same filters.")
    )

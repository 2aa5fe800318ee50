"""The header Idempotency-Key: a repeated request gets the response of the first one.

Header, 409 and 422 as in draft-ietf-httpapi-idempotency-key-header.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import psycopg
from litestar import Request, Response

from app.http.auth import actor
from app.http.request_headers import document_header
from app.http.responses import JSONResponse
from app.postgres.pool import Connection
from app.postgres.shares import Share
from app.postgres.statements import sql
from app.problems import FieldError, Problem, invalid

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
"""The response header of a stored answer."""
MAX_LENGTH = 255

CLAIM = sql("idempotency/claim_idempotency_key")
GET = sql("idempotency/get_idempotent_answer")
KEEP = sql("idempotency/keep_idempotent_answer")

_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_BARE = re.compile(r"[\x21\x23-\x7e][\x21-\x7e]*")

IDEMPOTENCY_KEY = document_header(
    HEADER,
    "A name of your choice for this request, such as a UUID. For 24 hours, the same request with the same name gets the"
    " same answer, with `Idempotency-Replayed: true`. Its body must be the same to the byte: any other body, even if"
    " only its white space differs, gets 422.",
    pattern=r"^[!#-~][!-~]*$",
    minLength=1,
    maxLength=MAX_LENGTH,
)


@dataclass(frozen=True, slots=True)
class ResponseData:
    """A successful response whose body is JSON; it can be stored."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def response(self, **more: str) -> Response[Any]:
        """Return the response for Litestar, with `more` headers."""
        return JSONResponse(self.body, self.status, {**self.headers, **more})


class StoredAnswer(NamedTuple):
    """A row of get_idempotent_answer.sql."""

    same: bool
    status: int
    headers: bytes
    body: bytes


async def once(
    request: Request[Any, Any, Any],
    share: Share,
    work: Callable[[Connection], Awaitable[ResponseData]],
    replay: Callable[[Connection, ResponseData], Awaitable[ResponseData]] | None = None,
) -> Response[Any]:
    """Respond with what `work` returns, or with the stored response of the same request.

    Without the header, `work` gets a connection of `share` in autocommit mode: one statement needs one round trip.
    With it, `work` runs in the transaction that also stores the response: whatever it raises rolls back both. It must
    not wait, as it holds the key and a connection. `replay` returns what of a stored response holds by now.
    Raises Problem: invalid-request, idempotency-key-reused, idempotency-in-progress; what `work`, `replay` and `share`
    raise.
    """
    key = _key(request)
    async with share.connection() as connection:
        if key is None:
            return (await work(connection)).response()
        names = {"api_key": actor(request), "key": key, "fingerprint": await _fingerprint(request)}
        while True:
            async with connection.transaction():
                if await _claim(connection, names):
                    answer = await work(connection)
                    await _keep(connection, names, answer)
                    return answer.response()
            if (stored := await _stored(connection, names)) is not None:
                if replay is not None:
                    stored = await replay(connection, stored)
                return stored.response(**{REPLAYED: "true"})


def _key(request: Request[Any, Any, Any]) -> str | None:
    """Return the key in the header: a quoted string (RFC 9651, section 3.3.3), or the same without quotes."""
    values = request.headers.getall(HEADER, [])
    if not values:
        return None
    value = values[0].strip(" \t")
    if quoted := _QUOTED.fullmatch(value):
        key = re.sub(r"\\(.)", r"\1", quoted[1])
    else:
        key = value if _BARE.fullmatch(value) else ""
    if len(values) > 1 or not 1 <= len(key) <= MAX_LENGTH:
        detail = (
            f"{HEADER} must stand once and hold 1 to {MAX_LENGTH} printable ASCII characters, quoted or without blanks."
        )
        raise invalid(FieldError("header", HEADER, detail))
    return key


async def _fingerprint(request: Request[Any, Any, Any]) -> bytes:
    scope = request.scope
    target = b" ".join((scope["method"].encode(), scope["raw_path"], scope["query_string"]))
    return hashlib.sha256(target + b"\n" + await request.body()).digest()


async def _claim(connection: Connection, names: Mapping[str, Any]) -> bool:
    """Take the key for this transaction; wait if another one has it, and return False once that has committed.

    Raises Problem: idempotency-in-progress, after the lock time-out.
    """
    try:
        return await (await connection.execute(CLAIM, names)).fetchone() is not None
    except psycopg.errors.LockNotAvailable:
        detail = f"The first request with this {HEADER} still runs."
        raise Problem("idempotency-in-progress", detail, retry_after_s=1) from None


async def _stored(connection: Connection, names: Mapping[str, Any]) -> ResponseData | None:
    """Return the stored response; None where it was pruned a moment ago.

    Raises Problem: idempotency-key-reused.
    """
    row = await (await connection.execute(GET, names)).fetchone()
    if row is None:
        return None
    stored = StoredAnswer._make(row)
    if not stored.same:
        raise Problem("idempotency-key-reused", f"This {HEADER} was used with another request; take a new one.")
    return ResponseData(stored.status, msgspec.json.decode(stored.headers), stored.body)


async def _keep(connection: Connection, names: Mapping[str, Any], answer: ResponseData) -> None:
    headers = msgspec.json.encode(answer.headers).decode()
    values = {"status": answer.status, "headers": headers, "body": answer.body}
    await connection.execute(KEEP, {**names, **values})

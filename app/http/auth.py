"""Who calls, and whether their key has the scope that the call needs (RFC 6750)."""

import hmac
import re
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from app.http.request_headers import get_header
from app.http.services import services
from app.keys.authentication import TOKEN, Credentials
from app.problems import Problem

_BEARER = re.compile(rf"(?i:bearer) +{TOKEN.pattern} *")


def credentials(connection: ASGIConnection[Any, Any, Any, Any]) -> Credentials:
    """Return the key in the Authorization header of a request.

    Raises Problem: unauthenticated.
    """
    authorization = get_header(connection, b"authorization")
    if not authorization:
        raise Problem("unauthenticated", "Send the header Authorization: Bearer tp_…")
    match = _BEARER.fullmatch(authorization)
    if match is None:
        detail = "The Authorization header must be Bearer and a key of the form tp_<id>_<secret>."
        raise Problem("unauthenticated", detail)
    return Credentials(match[1], match[2])


async def authorize(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Require a key that has the scope in the route's `opt["scope"]`, or any key where that is None.

    Raises Problem: unauthenticated, forbidden; psycopg.OperationalError.
    """
    sent = credentials(connection)
    connection.scope["state"]["key_id"] = sent.key_id  # the log names it with a 401 too
    key = await services(connection).keyring.authenticate(sent)
    if handler.opt["scope"] not in (None, *key.scopes):
        raise Problem(
            "forbidden",
            f"This call needs the scope {handler.opt['scope']!r}; the key has {', '.join(sorted(key.scopes))}.",
        )


def actor(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Return the id of the key that `authorize` accepted; history names it."""
    key_id: str = connection.scope["state"]["key_id"]
    return key_id


async def authorize_scrape(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Accept the token of METRICS_TOKEN, which needs no database, or else require a key with the scope `metrics`.

    Raises Problem and psycopg.OperationalError, as `authorize` does.
    """
    header = get_header(connection, b"authorization") or ""
    token = services(connection).settings.metrics_token
    if token and hmac.compare_digest(header.encode(), f"Bearer {token}".encode()):
        return
    await authorize(connection, handler)

"""GET /v1/key."""

from datetime import datetime
from typing import Any

import msgspec
from litestar import Request, Response, get

from app.http.auth import credentials
from app.http.endpoint import api_router, endpoint
from app.http.responses import JSONResponse
from app.http.services import services


class OwnKey(msgspec.Struct):
    """An API key, as its owner may see it; never its secret."""

    id: str
    """What history and logs name it by: the first part of the key, after `tp_`."""
    scopes: list[str]
    expires_at: datetime | None
    """Null: never."""


@endpoint(
    get,
    "/key",
    operation_id="getKey",
    summary="See what your key may do",
    scope=None,
)
async def get_key(request: Request[Any, Any, Any]) -> Response[OwnKey]:
    """See the scopes of the key that makes this call, and when it expires."""
    key = await services(request).keyring.authenticate(credentials(request))
    return JSONResponse(msgspec.json.encode(OwnKey(key.id, sorted(key.scopes), key.expires_at)))


router = api_router([get_key], "Service")

"""GET /v1/limits."""

from typing import Any

from litestar import Request, Response, get
from msgspec import json

from app.http.auth import actor
from app.http.endpoint import api_router, endpoint
from app.http.responses import JSONResponse
from app.http.services import services
from app.limits import LimitState, LimitStates


@endpoint(
    get,
    "/limits",
    operation_id="getLimits",
    summary="See the bounds, and what of them is in use",
    scope=None,
)
async def get_limits(request: Request[Any, Any, Any]) -> Response[LimitStates]:
    """See how much may go on at the same time, and how much of it your key has in use.

    Beyond `per_key` a call gets a 429, and beyond `per_process` a 503; both have `Retry-After`. Bounds hold for each
    process: the next call may reach another one, where your key has something else in use. None of them is a rate.
    """
    key_id = actor(request)
    states = [
        LimitState(bound.name, bound.what, bound.per_key, bound.per_process, bound.in_use_by(key_id))
        for bound in services(request).limits
    ]
    return JSONResponse(json.encode(LimitStates(states)))


router = api_router([get_limits], "Limits")

"""What all endpoints share: how they are declared, and the checks before each request."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from litestar import Request, Router, post
from litestar.datastructures import ResponseHeader
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec

from app.http.auth import authorize
from app.http.holding import begin_small_call
from app.http.idempotency import IDEMPOTENCY_KEY
from app.http.json_body import MEBIBYTE, StrictJSON, decode_in_thread
from app.http.negotiation import JSON, negotiate
from app.http.openapi import REPLAYED, problem_responses
from app.keys.authentication import Scope


def endpoint(
    method: type[HTTPRouteHandler],
    path: str,
    *,
    operation_id: str,
    summary: str,
    scope: Scope | None,
    takes: tuple[str, ...] = (),
    gives: tuple[str, ...] = (JSON,),
    reads: tuple[Mapping[str, Any], ...] = (),
    sends: tuple[ResponseHeader, ...] = (),
    problems: Iterable[int] = (),
    responses: Mapping[int, ResponseSpec] | None = None,
    ignores_key: bool = False,
    **options: Any,
) -> HTTPRouteHandler:
    """Declare an endpoint: a decorator for its handler; `method` is Litestar's `get`, `post`, `patch` or `delete`.

    The key needs `scope`; any key will do where that is None. `takes` and `gives` are the media types of request and
    response; `reads` and `sends` are their headers in the OpenAPI document. `problems` lists the statuses of errors
    that do not follow from these, `responses` describes responses that are not errors, and `options` are passed to
    Litestar.

    The handler of a POST runs its work in `idempotency.once`, which reads the Idempotency-Key, unless the call may be
    repeated as it is: then it `ignores_key`.
    """
    statuses = set(problems)
    if method is post and not ignores_key and IDEMPOTENCY_KEY not in reads:
        reads = (*reads, IDEMPOTENCY_KEY)
    if takes:
        statuses |= {408, 413, 415}
        options |= {"dto": StrictJSON, "return_dto": None}
    if IDEMPOTENCY_KEY in reads:
        statuses |= {408, 409, 413, 422}
        sends = (*sends, REPLAYED)
    return method(
        path,
        operation_id=operation_id,
        summary=summary,
        opt={"scope": scope, "takes": takes, "gives": gives, "fields": reads},
        response_headers=sends,
        responses={**problem_responses(*statuses), **(responses or {})},
        **options,
    )


def api_router(handlers: Sequence[HTTPRouteHandler], tag: str) -> Router:
    """Return the routes below /v1 that the OpenAPI document shows under `tag`."""
    return Router(
        "/v1",
        route_handlers=handlers,
        before_request=authorize_and_negotiate,
        tags=[tag],
        request_max_body_size=MEBIBYTE,
    )


async def authorize_and_negotiate(request: Request[Any, Any, Any]) -> None:
    """Authorize the request, negotiate its media types, read its body, decode it unless it is small, and wait in line.

    This is a router's `before_request`, as Litestar copies the route at every request for each guard.
    Raises Problem and psycopg.OperationalError, as the functions that it calls do.
    """
    handler = request.route_handler
    await authorize(request, handler)
    negotiate(request, handler)
    if handler.opt["takes"]:
        await decode_in_thread(request, handler)
    await begin_small_call(request)

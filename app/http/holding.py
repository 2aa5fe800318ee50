"""What a request has in use of the bounds of `app.limits`: taken by its handler, released when its answer is sent."""

from typing import Any

from litestar import Request

from app.http.auth import actor
from app.http.services import services
from app.limits import Bound, Hold
from app.postgres.slow_statements import Fetcher


def hold(request: Request[Any, Any, Any], bound: Bound, amount: int = 1) -> Hold:
    """Take some of a bound until the request ends; the middleware releases it.

    Raises Problem: limit-reached, overloaded.
    """
    taken = bound.take(actor(request), amount)
    request.scope["state"]["held"].append(taken)
    return taken


def heavy_call(request: Request[Any, Any, Any], *, quick: bool = False, patient: bool = False) -> Fetcher:
    """Count the request as a heavy call, and return what runs its statements.

    They wait for their turn unless they are `quick`, and a `patient` call waits as long as it takes.
    Raises Problem: limit-reached, overloaded.
    """
    service = services(request)
    hold(request, service.limits.heavy_calls)
    if quick:
        return service.database
    return service.slow_statements.of(actor(request), patient=patient)

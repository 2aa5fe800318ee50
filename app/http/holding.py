"""What a request has in use of the bounds of `app.limits`: taken by its handler, released when its answer is sent."""

from typing import Any

from litestar import Request

from app.http.auth import actor
from app.http.services import services
from app.limits import SMALL_CALL_PATIENCE_S, Bound, Hold, Limits
from app.postgres.shares import Share


def hold(request: Request[Any, Any, Any], bound: Bound, amount: int = 1) -> Hold:
    """Take some of a bound until the request ends; the middleware releases it, and the call is no small one any more.

    Raises Problem: limit-reached, overloaded.
    """
    taken = bound.take(actor(request), amount)
    end_small_call(request.scope["state"], services(request).limits)
    request.scope["state"]["held"].append(taken)
    return taken


async def begin_small_call(request: Request[Any, Any, Any]) -> None:
    """Return when it is the turn of the key's call, which ends as its answer begins.

    Raises Problem: limit-reached, overloaded.
    """
    state = request.scope["state"]
    key_id = state.get("key_id", "")
    turns = services(request).limits.small_calls
    if not turns.take_now(key_id):
        await turns.take(key_id, SMALL_CALL_PATIENCE_S)
    state["small"] = key_id


def end_small_call(state: dict[str, Any], limits: Limits) -> None:
    """Let the next call of the key begin."""
    if "small" in state:
        limits.small_calls.give_back(state.pop("small"))


def share(request: Request[Any, Any, Any]) -> Share:
    """Return the connections of the key that calls."""
    return services(request).statements.of(actor(request))


def heavy_call(request: Request[Any, Any, Any], *, quick: bool = False, patient: bool = False) -> Share:
    """Count the request as a heavy call, and return what runs its statements.

    They wait for their turn unless they are `quick`, and a `patient` call waits as long as it takes.
    Raises Problem: limit-reached, overloaded.
    """
    service = services(request)
    hold(request, service.limits.heavy_calls)
    if quick:
        return share(request)
    return service.slow_statements.of(actor(request), patient=patient)


def heavy_share(request: Request[Any, Any, Any]) -> Share:
    """Return the connections that the key has for statements that may take long, of a call that is no small one."""
    end_small_call(request.scope["state"], services(request).limits)
    return services(request).slow_statements.of(actor(request), patient=True)

"""What every call of the API is asked first: who calls, and whether the call can be understood."""

from typing import Any

from litestar import Request

from app.http.auth import authorize
from app.http.negotiation import negotiate


async def admit(request: Request[Any, Any, Any]) -> None:
    """Let a request pass that may come; for a router's `before_request`, as Litestar copies the route for each guard.

    Raises Problem and psycopg.OperationalError, as `authorize` and `negotiate` do.
    """
    handler = request.route_handler
    await authorize(request, handler)
    negotiate(request, handler)

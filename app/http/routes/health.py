"""GET /, /health/live and /health/ready."""

from typing import Any

import msgspec
import psycopg
from litestar import Request, Router, get

from app import __version__
from app.http.openapi import problem_responses
from app.http.services import services
from app.postgres import migrate, roles
from app.problems import Problem


class Service(msgspec.Struct):
    """What runs here."""

    name: str
    version: str
    revision: str
    """The commit that was deployed; without a deploy the one that the image was built from, or `unknown`."""
    docs: str
    board: str
    image_revision: str | msgspec.UnsetType = msgspec.UNSET
    """The commit that the image was built from, which has the same files as `revision`; absent outside an image."""


class Health(msgspec.Struct):
    """A service that is well."""

    status: str


@get("/", operation_id="describeService", summary="What runs here")
async def root(request: Request[Any, Any, Any]) -> Service:
    """Say name, version and revision, where the documentation is, and from which commit the image was built."""
    settings = services(request).settings
    return Service(
        "TaskPulse", __version__, settings.revision, "/docs", "/board", settings.image_revision or msgspec.UNSET
    )


@get("/health/live", operation_id="checkLive", summary="Is the process alive?")
async def live() -> Health:
    """Answer as long as the process serves requests; the database is not asked."""
    return Health("ok")


@get("/health/ready", operation_id="checkReady", summary="May requests come?", responses=problem_responses(only=(503,)))
async def ready(request: Request[Any, Any, Any]) -> Health:
    """Answer 200 once the database has been reached with a current schema, and 503 while the service drains.

    A database that goes away later does not change the answer: that would take every pod out of the load
    balancer at once. Requests then get their own 503.
    """
    service = services(request)
    if service.draining:
        raise Problem("not-ready", "The service is shutting down.")
    if not service.schema_is_current:
        try:
            lacking = await roles.missing_grants(service.database, service.settings.db_user)
            pending = [] if lacking else await migrate.pending(service.database)
        except psycopg.OperationalError:
            raise Problem("not-ready", "The database has not been reached yet.") from None
        if lacking:
            raise Problem("not-ready", lacking)
        if pending:
            raise Problem("not-ready", f"Migrations are pending: {', '.join(pending)}. Run taskpulse migrate.")
        service.schema_is_current = True
    return Health("ok")


router = Router("/", route_handlers=[root, live, ready], tags=["Service"])

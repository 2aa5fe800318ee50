"""Turns every exception into a problem document (RFC 9457)."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

import msgspec
import psycopg
from litestar import Request, Response
from litestar.exceptions import (
    HTTPException,
    InternalServerException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from litestar.status_codes import HTTP_401_UNAUTHORIZED, HTTP_413_REQUEST_ENTITY_TOO_LARGE
from litestar.typing import FieldDefinition
from psycopg_pool import PoolTimeout

from app.http.middleware import allowed_methods
from app.problems import TYPES, FieldError, Problem, invalid

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
CHALLENGE = 'Bearer realm="taskpulse"'
"""WWW-Authenticate of every 401 (RFC 6750)."""
CLIENT_CLOSED_REQUEST = 499
"""The status in log and metrics when the client disconnects before its body is complete (nginx's number)."""


class ProblemDetails(msgspec.Struct, frozen=True):
    """The body of every error (RFC 9457)."""

    type: str
    """Where a page explains this type: `/problems/<name>`."""
    title: str
    status: int
    detail: str
    instance: str
    """The path of the request."""
    request_id: str
    """The same as in the header X-Request-ID and in the service's log."""
    errors: Sequence[FieldError] = ()


class ProblemWithHeaders(Problem):
    """A problem whose response needs header fields of its own, beyond Retry-After and WWW-Authenticate."""

    def __init__(self, name: str, detail: str, headers: Mapping[str, str]) -> None:
        super().__init__(name, detail)
        self.headers = headers


def document(problem: Problem, path: str, request_id: str) -> ProblemDetails:
    """Return the body for a problem of the request to `path`."""
    kind = TYPES[problem.name]
    return ProblemDetails(
        type=f"/problems/{problem.name}",
        title=kind.title,
        status=kind.status,
        detail=problem.detail,
        instance=path,
        request_id=request_id,
        errors=problem.errors,
    )


def unavailable(error: psycopg.OperationalError) -> Problem:
    """Return the problem for a request that the database did not serve."""
    waited = (PoolTimeout, psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable)
    if isinstance(error, (*waited, psycopg.errors.TooManyConnections)):
        return Problem("overloaded", "The database is too busy to answer now.", retry_after_s=1)
    return Problem("database-unavailable", "The database cannot be reached now.", retry_after_s=2)


def _from_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Problem:
    """Return the problem for an exception that Litestar raises."""
    path = request.scope["raw_path"].decode("ascii")
    if isinstance(error, MethodNotAllowedException):
        methods = ", ".join(allowed_methods(request.app, request.scope["path"]))
        detail = f"{request.method} is not among the methods of {path}: {methods}."
        return ProblemWithHeaders("method-not-allowed", detail, {"Allow": methods})
    if isinstance(error, NotFoundException):
        return Problem("not-found", f"There is nothing at {path}.")
    if isinstance(error, ValidationException):
        fields = request.route_handler.parsed_fn_signature.parameters
        return invalid(*(_field_error(extra, fields) for extra in error.extra or ()))
    if error.status_code == HTTP_413_REQUEST_ENTITY_TOO_LARGE:
        return Problem("content-too-large", "The body is larger than this call takes.")
    return Problem("invalid-request", error.detail or "The request cannot be understood.")


def name_of(parameter: str, field: FieldDefinition) -> str:
    """Return the name by which clients know a parameter of a handler."""
    return getattr(field.kwarg_definition, "name", None) or parameter


def _field_error(extra: Any, fields: Mapping[str, FieldDefinition]) -> FieldError:
    """Convert one of Litestar's validation errors; `fields` are the parameters of the handler."""
    key, message = extra.get("key", ""), extra["message"]
    if key == "data":
        return FieldError("body", "#", "The body is empty; send a JSON object.")
    parameter = key.split(".")[0]
    if parameter not in fields:
        return FieldError("query", parameter, f"{parameter}: {message}.")
    name = name_of(parameter, fields[parameter])
    choices = ", ".join(_choices(fields[parameter].annotation)) if "enum" in message else ""
    return FieldError("query", name, f"{name}: {message}." + (f" It may be {choices}." if choices else ""))


def _choices(kind: Any) -> Iterator[str]:
    """Yield the values of the Literals within a type."""
    if get_origin(kind) is Literal:
        yield from get_args(kind)
    else:
        for inner in get_args(kind):
            yield from _choices(inner)


def problem_response(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Return the problem document of any exception; log those that are the service's own fault."""
    request_id = request.scope["state"].get("request_id", "")
    if isinstance(error, InternalServerException) and request.scope["state"]["gone"]:
        return Response(None, status_code=CLIENT_CLOSED_REQUEST)
    if isinstance(error, Problem):
        problem = error
    elif isinstance(error, psycopg.OperationalError):
        problem = unavailable(error)
        log.warning("database: %s", str(error).strip() or type(error).__name__, extra={"request_id": request_id})
    elif isinstance(error, HTTPException) and error.status_code < 500:
        problem = _from_http_exception(request, error)
    else:
        problem = Problem("internal-error", "The service failed; its log says why.")
        log.error("unhandled exception", exc_info=error, extra={"request_id": request_id})
    body = document(problem, request.scope["raw_path"].decode("ascii"), request_id)
    return Response(body, status_code=body.status, headers=_headers(problem, body.status), media_type=MEDIA_TYPE)


def _headers(problem: Problem, status: int) -> dict[str, str]:
    headers = dict(problem.headers) if isinstance(problem, ProblemWithHeaders) else {}
    if problem.retry_after_s is not None:
        headers["Retry-After"] = str(problem.retry_after_s)
    if status == HTTP_401_UNAUTHORIZED:
        headers["WWW-Authenticate"] = CHALLENGE
    return headers

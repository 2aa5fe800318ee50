"""Checks query parameters, Accept and Content-Type (RFC 9110, sections 8.3 and 12.5.1)."""

import re
from typing import Any, Literal, get_args, get_origin

from litestar.connection import ASGIConnection
from litestar.enums import ParamType
from litestar.handlers import BaseRouteHandler
from litestar.params import ParameterKwarg
from litestar.typing import FieldDefinition

from app.http.problem_details import ProblemWithHeaders, name_of
from app.http.request_headers import get_header
from app.problems import FieldError, Problem, invalid

JSON = "application/json"
NDJSON = "application/x-ndjson"
MERGE_PATCH = "application/merge-patch+json"

MAX_ERRORS = 100
"""Largest number of wrong parameters that one response names."""
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
"""msgspec would take 1e2 and 5.0 too."""
_BOOLEANS = ("true", "false")
"""msgspec would take 1, 0, True and FALSE too."""


def negotiate(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Refuse what the endpoint does not know; `opt["takes"]` and `opt["gives"]` list its media types.

    Raises Problem: invalid-request, not-acceptable, unsupported-media-type.
    """
    if connection.scope["query_string"]:
        _check_query(connection, handler)
    _check_accept(get_header(connection, b"accept"), handler.opt.get("gives", (JSON,)))
    if takes := handler.opt.get("takes"):
        _check_content_type(connection, takes)


def _check_query(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    known = handler.opt.setdefault("query", _query_parameters(handler))
    given: dict[str, list[str]] = {}
    for name, value in connection.query_params.items():
        given.setdefault(name, []).append(value)
    wrong = list[FieldError]()
    for name, values in given.items():
        if len(wrong) == MAX_ERRORS:
            break
        if name not in known:
            names = f"it takes {', '.join(known)}" if known else "it takes none"
            wrong.append(FieldError("query", name, f"{name!r} is not a query parameter of this call; {names}."))
        elif detail := _wrong(name, known[name], values):
            wrong.append(FieldError("query", name, detail))
    if wrong:
        raise invalid(*wrong)


def _wrong(name: str, field: FieldDefinition, values: list[str]) -> str | None:
    """Return what is wrong with the values of a parameter, of what the conversion to its type does not refuse."""
    first = values[0][:40]
    if not _is_list(field) and len(values) > 1:
        return f"{name} stands {len(values)} times; once is enough."
    if field.annotation is int and not _INTEGER.fullmatch(values[0]):
        return f"{name} is a whole number, in digits; {first!r} is not."
    if bool in (field.annotation, *field.args) and values[0] not in _BOOLEANS:
        return f"{name} is true or false; {first!r} is neither."
    if first.lower() == "null" and (choices := _choices(field)):  # msgspec takes it for None
        return f"{name} is one of {', '.join(choices)}; {first!r} is not."
    if any("\0" in value for value in values):
        return f"{name} holds U+0000, which nothing stored has."
    return None


def _choices(field: FieldDefinition) -> list[str]:
    return [each for kind in field.args if get_origin(kind) is Literal for each in get_args(kind)]


def _is_list(field: FieldDefinition) -> bool:
    return field.is_non_string_sequence or any(inner.is_non_string_sequence for inner in field.inner_types)


def _query_parameters(handler: BaseRouteHandler) -> dict[str, FieldDefinition]:
    """Return a handler's query parameters by name."""
    return {
        name_of(parameter, field): field
        for parameter, field in handler.parsed_fn_signature.parameters.items()
        if isinstance(field.kwarg_definition, ParameterKwarg) and field.kwarg_definition.param_type is ParamType.QUERY
    }


def _check_accept(accept: str | None, gives: tuple[str, ...]) -> None:
    if not accept or accept == "*/*" or (accept == JSON and JSON in gives):
        return
    if preferred(accept, gives) is None:
        raise Problem("not-acceptable", f"This call gives {' or '.join(gives)}; Accept allows neither.")


def preferred(accept: str | None, gives: tuple[str, ...]) -> str | None:
    """Return the media type of `gives` that Accept ranks highest, the first one on a tie, or None."""
    if not accept:
        return gives[0]
    best, rank = None, 0.0
    for media_type in gives:
        quality = _quality(accept, media_type)
        if quality > rank:
            best, rank = media_type, quality
    return best


def _quality(accept: str, media_type: str) -> float:
    """Return the weight that the most specific matching range of Accept gives to a media type."""
    levels = {media_type: 3, f"{media_type.partition('/')[0]}/*": 2, "*/*": 1}
    specificity, quality = 0, 0.0
    for item in accept.lower().split(","):
        media_range, _, parameters = item.partition(";")
        level = levels.get(media_range.strip(), 0)
        if level > specificity:
            weights = (part.strip() for part in parameters.split(";"))
            weight = next((part[2:] for part in weights if part.startswith("q=")), "1")
            specificity, quality = level, _weight(weight)
    return quality


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _check_content_type(connection: ASGIConnection[Any, Any, Any, Any], takes: tuple[str, ...]) -> None:
    if coding := get_header(connection, b"content-encoding"):
        problem = f"The content coding {coding!r} is not supported; send the body without one."
        raise ProblemWithHeaders("unsupported-media-type", problem, {"Accept-Encoding": "identity"})
    content_type = get_header(connection, b"content-type") or ""
    if content_type in takes:
        return
    media_type, _, parameters = content_type.partition(";")
    charset = parameters.replace(" ", "").replace('"', "").lower()
    if media_type.strip().lower() not in takes or charset not in ("", "charset=utf-8"):
        sent = content_type or "nothing"
        name = "Accept-Patch" if MERGE_PATCH in takes else "Accept"
        detail = f"Content-Type must be {' or '.join(takes)}, in UTF-8; it is {sent}."
        raise ProblemWithHeaders("unsupported-media-type", detail, {name: ", ".join(takes)})

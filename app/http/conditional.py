"""Entity tags and conditional requests (RFC 9110, sections 8.8.3 and 13.1)."""

import re
from typing import Annotated

from litestar.datastructures import Headers
from litestar.params import HeaderParameter

from app.http.problems import FieldError, Problem, invalid

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?:,[ \t,]*|$)')
_VERSION = re.compile(r"[1-9][0-9]{0,17}")

_LIST = {"pattern": r'^[ \t,]*(\*|((W/)?"[!#-~\u0080-\u00ff]*"[ \t]*(,[ \t,]*|$))*)[ \t,]*$'}
IfMatch = Annotated[
    str | None,
    HeaderParameter(name="If-Match", description="Only if the task has this entity tag still.", schema_extra=_LIST),
]
IfNoneMatch = Annotated[
    str | None,
    HeaderParameter(name="If-None-Match", description="Only if the task has another entity tag.", schema_extra=_LIST),
]
"""These document the headers for a route; the functions below read them."""


def etag(version: int) -> str:
    """Return the strong entity tag of a task's version."""
    return f'"{version}"'


def if_match(headers: Headers) -> list[int] | None:
    """Return the versions that a change may be based on, or None where any will do.

    Weak tags never match (strong comparison), nor do tags that no version of a task has.
    Raises Problem: invalid-request.
    """
    header = _field(headers, "If-Match")
    if header is None or header == "*":
        return None
    return [int(tag) for weak, tag in _tags("If-Match", header) if not weak and _VERSION.fullmatch(tag)]


def if_none_match(headers: Headers, version: int) -> bool:
    """Say whether the client already has this version (weak comparison).

    Raises Problem: invalid-request.
    """
    header = _field(headers, "If-None-Match")
    if header is None:
        return False
    return header == "*" or any(tag == str(version) for _, tag in _tags("If-None-Match", header))


def _field(headers: Headers, name: str) -> str | None:
    """Return a list field as one line, without empty elements at its ends (RFC 9110, sections 5.3 and 5.6.1)."""
    return ",".join(headers.getall(name)).strip(" \t,") if name in headers else None


def _tags(name: str, header: str) -> list[tuple[str, str]]:
    tags, at = [], 0
    while at < len(header):
        if (match := _TAG.match(header, at)) is None:
            raise invalid(
                FieldError(
                    "header",
                    name,
                    f'{name}: entity tags are quoted, as in "7"; {header!r} is not a list of them.',
                )
            )
        tags.append((match[1] or "", match[2]))
        at = match.end()
    return tags


def precondition_failed() -> Problem:
    """Return the problem for a change based on a version that is no longer the present one."""
    return Problem("precondition-failed", "The task has another version than If-Match asks for.")

"""Entity tags and conditional requests (RFC 9110, sections 8.8.3 and 13.1)."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from litestar import Response
from litestar.connection import ASGIConnection

from app.http.request_headers import document_header, get_header
from app.problems import FieldError, Problem, invalid

T = TypeVar("T")

_TAG = re.compile(r'(W/)?"([^"]*)"')
_TAGS = re.compile(r'(?:(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"[ \t]*(?:,[ \t,]*|$))*')
_VERSION = re.compile(r"[1-9][0-9]{0,17}")

_LIST = r'^[ \t,]*(\*|((W/)?"[!#-~\u0080-\u00ff]*"[ \t]*(,[ \t,]*|$))*)[ \t,]*$'
IF_MATCH = document_header(
    "If-Match",
    'Change it only if its version is still one of these entity tags, as in `"7"`, or with `*` if it exists. Otherwise'
    " the answer is 412.",
    pattern=_LIST,
)
IF_NONE_MATCH = document_header(
    "If-None-Match",
    "Versions that you have, as entity tags. A read of one of them answers 304, and a change of one of them 412. With"
    " `*`, a change answers 412 if it exists.",
    pattern=_LIST,
)


def etag(version: int) -> str:
    """Return the strong entity tag of a task's version."""
    return f'"{version}"'


def if_match(connection: ASGIConnection[Any, Any, Any, Any]) -> list[int] | None:
    """Return the versions that a change may be based on, or None where any will do.

    Weak tags never match (strong comparison), nor do tags that no version of a task has.
    Raises Problem: invalid-request.
    """
    header = _field(connection, b"if-match")
    if header is None or header == "*":
        return None
    return [int(tag) for weak, tag in _tags("If-Match", header) if not weak and _VERSION.fullmatch(tag)]


def if_none_match(connection: ASGIConnection[Any, Any, Any, Any], version: int) -> bool:
    """Return whether the client already has this version (weak comparison).

    Raises Problem: invalid-request.
    """
    header = _field(connection, b"if-none-match")
    if header is None:
        return False
    return header == "*" or any(tag == str(version) for _, tag in _tags("If-None-Match", header))


def not_modified(connection: ASGIConnection[Any, Any, Any, Any], version: int) -> Response[Any] | None:
    """Return the answer to a client that already has this version, None to any other.

    Raises Problem: invalid-request.
    """
    if not if_none_match(connection, version):
        return None
    return Response(None, status_code=304, headers={"ETag": etag(version)})


async def change(
    connection: ASGIConnection[Any, Any, Any, Any],
    version: Callable[[], Awaitable[int]],
    attempt: Callable[[list[int] | None], Awaitable[T]],
) -> T:
    """Return what `attempt` returns for the versions that If-Match allows and If-None-Match does not rule out.

    `version` reads the present one; `attempt` raises Problem: precondition-failed, if it is none of those given.
    Raises Problem: precondition-failed, invalid-request; what `version` and `attempt` raise.
    """
    allowed = if_match(connection)
    if get_header(connection, b"if-none-match") is None:
        return await attempt(allowed)
    while True:
        present = await version()
        if if_none_match(connection, present):
            raise Problem("precondition-failed", f"If-None-Match rules out version {present}, the present one.")
        if allowed is not None and present not in allowed:
            return await attempt(allowed)
        try:
            return await attempt([present])
        except Problem as problem:  # it has changed since: decide again
            if problem.name != "precondition-failed":
                raise


def require(connection: ASGIConnection[Any, Any, Any, Any], present: int | None) -> None:
    """Return if If-Match and If-None-Match allow a change of what has this version, None for what does not exist.

    Raises Problem: precondition-failed, invalid-request.
    """
    allowed = if_match(connection)
    if _field(connection, b"if-match") is not None and (
        present is None or (allowed is not None and present not in allowed)
    ):
        raise Problem("precondition-failed", "The present version is not among those that If-Match asks for.")
    ruled_out = if_none_match(connection, present or 0)  # also to refuse a field that is no list of tags
    if ruled_out and present is not None:
        raise Problem("precondition-failed", f"If-None-Match rules out version {present}, the present one.")


def _field(connection: ASGIConnection[Any, Any, Any, Any], name: bytes) -> str | None:
    """Return a list field without empty elements at its ends (RFC 9110, section 5.6.1)."""
    value = get_header(connection, name)
    return value and value.strip(" \t,")


def _tags(name: str, header: str) -> list[tuple[str, str]]:
    if not _TAGS.fullmatch(header):
        detail = f'{name}: entity tags are quoted, as in "7"; {header!r} is not a list of them.'
        raise invalid(FieldError("header", name, detail))
    return _TAG.findall(header)

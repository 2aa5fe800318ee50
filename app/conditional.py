"""Entity tags and conditional requests (RFC 9110, sections 8.8.3 and 13.1)."""

import re

from app.problems import FieldError, Problem, invalid

_TAG = re.compile(r'\s*(?:(W/)?"([\x21\x23-\x7e\x80-\xff]*)")\s*(?:,|$)')


def etag(version: int) -> str:
    """Return the strong entity tag of a task's version."""
    return f'"{version}"'


def if_match(header: str | None) -> list[int] | None:
    """Return the versions that a change may be based on, or None where any will do.

    Weak tags never match (strong comparison), nor do tags that no version of a task has.
    Raises Problem: invalid-request.
    """
    if header is None or header.strip() == "*":
        return None
    return [int(tag) for weak, tag in _tags("If-Match", header) if not weak and _is_version(tag)]


def if_none_match(header: str | None, version: int) -> bool:
    """Say whether the client already has this version (weak comparison).

    Raises Problem: invalid-request.
    """
    if header is None:
        return False
    return header.strip() == "*" or any(tag == str(version) for _, tag in _tags("If-None-Match", header))


def _is_version(tag: str) -> bool:
    return tag.isascii() and tag.isdigit() and len(tag) < 19


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

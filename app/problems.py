"""What can go wrong with a call, without HTTP: `app.http.problem_details` turns a Problem into a response."""

import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Literal

import msgspec


class ProblemType(msgspec.Struct, frozen=True):
    """One entry of problems.toml."""

    status: int
    """HTTP status of the response."""
    title: str
    meaning: str
    remedy: str


TYPES: Mapping[str, ProblemType] = msgspec.convert(
    tomllib.loads(files("app").joinpath("problems.toml").read_text("utf-8")), dict[str, ProblemType]
)


class FieldError(msgspec.Struct, frozen=True, rename={"where": "in"}):
    """One wrong part of a request.

    `in` says in which part it is; `pointer` is a JSON Pointer as a URI fragment (RFC 6901, section 6) for a
    body, and the name for a query parameter, a header or a path segment.
    """

    where: Literal["body", "query", "header", "path"]
    pointer: str
    detail: str


class Problem(Exception):  # noqa: N818 - the RFC's own word
    """An error that the caller gets to see (RFC 9457).

    `name` is a key of problems.toml, `detail` a sentence about this occurrence, and `retry_after_s` the whole seconds
    after which the same call may succeed.
    """

    def __init__(
        self, name: str, detail: str, *, errors: Sequence[FieldError] = (), retry_after_s: int | None = None
    ) -> None:
        super().__init__(detail)
        self.name = name
        self.detail = detail
        self.errors = errors
        self.retry_after_s = retry_after_s


def invalid(*errors: FieldError) -> Problem:
    """Return the problem for a request with these wrong parts."""
    return Problem("invalid-request", " ".join(error.detail for error in errors), errors=errors)

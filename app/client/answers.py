"""Tells the answers of this API from those of anything else on the way to it."""

import os

import httpx
import msgspec

from app.client.backoff import seconds
from app.client.output import printable

CALL_ERRORS = (httpx.RequestError, httpx.InvalidURL, UnicodeError)
"""What httpx raises for what comes from the network; the last two for a redirect to what is no URL."""
NOT_DECODED = (ValueError, RecursionError)
"""What msgspec raises for JSON that is broken, nested too deep, or of another shape."""
NO_VERDICT = (408, 425, 429)
"""Statuses that ask for another try (RFC 9110, 8470, 6585)."""


class RefusedError(Exception):
    """The API refused a call; the message names the URL, and holds that of the API."""

    def __init__(self, status: int, problem: str, detail: str, url: str) -> None:
        self.status = status
        self.problem = problem
        """The name of the problem type, as in `lease-lost`."""
        super().__init__(printable(f"{url} answers {status}: {detail}"))


class NoVerdictError(Exception):
    """Something else than this API's answer came, or nothing: try again, after `retry_after_s` at the earliest."""

    def __init__(self, reason: str, retry_after_s: float = 0) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class UnreachableError(NoVerdictError):
    """No answer came: there is no connection, or it ended too early."""


class _Problem(msgspec.Struct):
    """What of a problem document (RFC 9457) matters here."""

    type: str
    status: int
    detail: str


def reason_of(error: Exception) -> str:
    """Return why a call got no answer; of several reasons, that of the system."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            by_asyncio = cause.strerror.startswith("Connect call failed")  # which hides why
            return os.strerror(cause.errno) if by_asyncio and cause.errno else cause.strerror
        cause = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__


def media_type(response: httpx.Response) -> str:
    """Return the media type without its parameters."""
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


def verdict_of(response: httpx.Response) -> RefusedError | None:
    """Return the refusal if it is this API's own and final; None for what may be otherwise the next time."""
    if not 400 <= response.status_code < 500 or response.status_code in NO_VERDICT:
        return None
    if media_type(response) != "application/problem+json":
        return None
    try:
        problem = msgspec.json.decode(response.content, type=_Problem)
    except NOT_DECODED:
        return None
    name = problem.type.removeprefix("/problems/")
    if name in {"", problem.type, "idempotency-in-progress"} or problem.status != response.status_code:
        return None
    return RefusedError(problem.status, name, problem.detail, str(response.url.copy_with(query=None)))


def no_verdict(response: httpx.Response) -> NoVerdictError:
    """Return the error for an error response that is no verdict, with its Retry-After."""
    return NoVerdictError(summary(response), seconds(response.headers.get("retry-after")))


def summary(response: httpx.Response) -> str:
    """Return what an answer that is no verdict says, in a few words."""
    try:
        return f"{response.status_code}: {msgspec.json.decode(response.content, type=_Problem).detail}"
    except NOT_DECODED:
        kind = media_type(response) or "without a content type"
        return f"{response.status_code} ({kind}) is no answer of this API; is --url right?"

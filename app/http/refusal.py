"""What a client gets whose request is not even passed to the application."""

import logging
import secrets
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app.http.access_log import AccessLine
from app.http.answer_headers import DATA_POLICY, EVERY_ANSWER
from app.http.cross_origin import CrossOrigin
from app.http.problem_details import MEDIA_TYPE, document
from app.http.request_headers import combine_headers
from app.logs import write_line
from app.problems import TYPES, Problem

log = logging.getLogger("app.http.access")


class Refusal(Exception):  # noqa: N818 - not a fault of the service
    """A peer went beyond a bound; `reason` is a label of `taskpulse_refused_total`."""

    def __init__(self, reason: str, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.reason = reason
        self.problem = problem
        self.request_id = secrets.token_hex(8)


def answer(refusal: Refusal, scope: Any, cross_origin: CrossOrigin | None) -> bytes:
    """Return the whole answer, a problem document; `scope` is None where there is no request yet."""
    problem = refusal.problem
    path = (scope or {}).get("raw_path", b"/").decode("latin-1")
    details = document(problem, path, refusal.request_id)
    body = msgspec.json.encode(details)
    fields = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
        (b"x-request-id", refusal.request_id.encode()),
        *EVERY_ANSWER,
        DATA_POLICY,
    ]
    if problem.retry_after_s is not None:
        fields.append((b"retry-after", b"%d" % problem.retry_after_s))
    if cross_origin is not None:
        fields += cross_origin.headers_of_refusal(combine_headers((scope or {}).get("headers", ())))
    head = b"".join(b"%b: %b\r\n" % field for field in fields)
    return STATUS_LINE[details.status] + head + b"\r\n" + body


def log_refusal(refusal: Refusal, scope: Any, client: tuple[str, int] | None) -> None:
    """Log the refusal as the request's line."""
    if not log.isEnabledFor(logging.INFO):
        return
    method = (scope or {}).get("method", "-")
    status = TYPES[refusal.problem.name].status
    write_line(
        AccessLine(
            logger=log.name,
            message=f"{method} - {status} {refusal.problem.detail}",
            request_id=refusal.request_id,
            client=client and client[0],
            method=method,
            route=None,
            status=status,
            duration_ms=0,
            key_id=None,
            trace_id=None,
        )
    )

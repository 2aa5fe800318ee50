"""The response with one page of a list."""

from typing import Annotated, Any
from urllib.parse import quote, unquote_plus

from litestar import Request, Response
from litestar.params import QueryParameter

from app.http.holding import hold
from app.http.responses import JSONResponse
from app.http.services import services
from app.limits import BUFFERED

Limit = Annotated[
    int,
    QueryParameter(ge=1, le=200, description="The largest number of items on a page. Large items make a page shorter."),
]
Cursor = Annotated[
    str | None,
    QueryParameter(
        description="The `next_cursor` of the page before, with the same filters and sort. Absent for the first page."
    ),
]

_QUERY = "%&=+!$'()*,;:@/?"
"""Characters allowed in a query beside letters and digits (RFC 3986, section 3.4), and the percent sign."""


def respond(
    request: Request[Any, Any, Any], items: bytes, next_cursor: str | None, total: int | None = None
) -> Response[Any]:
    """Return a page of `items`, which are JSON with SEPARATOR between them, and a link to the next page (RFC 8288).

    Raises Problem: overloaded, where too much waits to be sent.
    """
    headers = {}
    token = b"null"
    if next_cursor is not None:
        token = f'"{next_cursor}"'.encode()
        query = request.scope["query_string"].decode("latin-1")
        others = [pair for pair in query.split("&") if pair and unquote_plus(pair.partition("=")[0]) != "cursor"]
        target = quote("&".join([*others, f"cursor={next_cursor}"]), safe=_QUERY)
        headers["Link"] = f'<{request.scope["raw_path"].decode("ascii")}?{target}>; rel="next"'
    counted = b"" if total is None else b',"total":%d' % total
    body = b'{"items":[' + items + b'],"next_cursor":' + token + counted + b"}"
    if len(body) > BUFFERED:
        hold(request, services(request).limits.answer_bytes, len(body))
    return JSONResponse(body, headers=headers)

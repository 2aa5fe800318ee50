"""One page of a list, as clients get it."""

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from litestar import Request, Response
from litestar.params import QueryParameter

from app.http.json_answer import JSONAnswer

Limit = Annotated[int, QueryParameter(ge=1, le=200, description="Items a page.")]
Cursor = Annotated[
    str | None, QueryParameter(description="`next_cursor` of the page before, with the same filters and sort.")
]


def answer(
    request: Request[Any, Any, Any], items: Sequence[bytes], next_cursor: str | None, total: int | None = None
) -> Response[Any]:
    """Answer with items that are JSON already, and a link to the next page (RFC 8288) where there is one."""
    headers = {}
    token = b"null"
    if next_cursor is not None:
        token = f'"{next_cursor}"'.encode()
        others = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        query = urlencode([*others, ("cursor", next_cursor)])
        headers["Link"] = f'<{request.scope["raw_path"].decode("ascii")}?{query}>; rel="next"'
    counted = b"" if total is None else b',"total":%d' % total
    body = b'{"items":[' + b",".join(items) + b'],"next_cursor":' + token + counted + b"}"
    return JSONAnswer(body, headers=headers)

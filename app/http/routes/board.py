"""GET /board: a live page that shows the work, and its files."""

from importlib.resources import files

from litestar import MediaType, Response, get
from litestar.params import FromPath

from app.http.answer_headers import page_policy
from app.problems import Problem

_POLICY = page_policy(
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "require-trusted-types-for 'script'",
)
"""The page is text and elements only: what tasks hold can never become HTML or a script."""
_TYPES = {"css": "text/css", "js": "text/javascript"}
_FILES = {file.name: file.read_bytes() for file in files("app.http").joinpath("board").iterdir() if file.is_file()}
_PAGE = _FILES.pop("index.html").decode()
_ALWAYS_ASKED = {"Cache-Control": "no-cache"}
"""After an update of the service, a browser takes no file of the version before."""


@get(
    "/board",
    include_in_schema=False,
    media_type=MediaType.HTML,
    sync_to_thread=False,
    opt={"policy": _POLICY},
    response_headers=_ALWAYS_ASKED,
)
def board() -> str:
    """Send the page; it asks for a key and then calls the API."""
    return _PAGE


@get("/board/{name:str}", include_in_schema=False, sync_to_thread=False)
def asset(name: FromPath[str]) -> Response[bytes]:
    """Send a style sheet or a module of the page.

    Raises Problem: not-found.
    """
    if name not in _FILES:
        raise Problem("not-found", "The board has no file of this name.")
    return Response(_FILES[name], media_type=_TYPES[name.rpartition(".")[2]], headers=_ALWAYS_ASKED)

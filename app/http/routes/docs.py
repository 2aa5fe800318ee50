"""GET /openapi.json and GET /docs: the API's documentation."""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path, PurePath

from litestar import MediaType, Response, get
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from app.http.answer_headers import page_policy
from app.http.openapi import build_document
from app.http.openapi_reference import with_reference
from app.problems import Problem

_POLICY = page_policy(
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
)
"""Swagger UI draws its icons from data URLs."""
_TYPES = {".js": "text/javascript", ".css": "text/css"}
_OF_SWAGGER_UI, _OWN = ("swagger-ui-bundle.js", "swagger-ui.css"), ("page.js", "page.css")
"""The files that the page needs."""


def routes(handlers: Sequence[ControllerRouterHandler]) -> list[ControllerRouterHandler]:
    """Return the routes of /openapi.json, which describes `handlers`, and of /docs, which shows it."""
    page = (files("app.http") / "docs_page" / "page.html").read_text("utf-8")
    bare = build_document(handlers)

    @cache
    def document() -> bytes:  # made when somebody asks: texts and examples would slow down each start
        return with_reference(bare)

    @get("/openapi.json", include_in_schema=False, sync_to_thread=True)
    def openapi() -> Response[bytes]:
        return Response(document(), media_type="application/json")

    @get("/docs", include_in_schema=False, media_type=MediaType.HTML, sync_to_thread=False, opt={"policy": _POLICY})
    def docs() -> str:
        return page

    contents = _contents()  # once: each answer refers to the same bytes

    @get("/docs/assets/{name:str}", include_in_schema=False)
    async def asset(name: FromPath[str]) -> Response[bytes]:
        if name not in contents:
            raise Problem("not-found", "The documentation has no file of this name.")
        return Response(contents[name], media_type=_TYPES[PurePath(name).suffix])

    return [openapi, docs, asset]


def _contents() -> dict[str, bytes]:
    library, own = _swagger_ui(), files("app.http") / "docs_page"
    contents = {name: (library / name).read_bytes() for name in _OF_SWAGGER_UI}
    return contents | {name: (own / name).read_bytes() for name in _OWN}


def _swagger_ui() -> Path:
    """Return the folder of Swagger UI's files, which the package drf-spectacular-sidecar contains."""
    package = find_spec("drf_spectacular_sidecar")
    if package is None or not package.submodule_search_locations:
        raise RuntimeError("the package drf-spectacular-sidecar, which brings Swagger UI, is not installed")
    return Path(package.submodule_search_locations[0]) / "static/drf_spectacular_sidecar/swagger-ui-dist"

"""GET /openapi.json and GET /docs: the API's documentation."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from litestar import MediaType, Response, get
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from app.http.answer_headers import inline, page_policy
from app.http.openapi import build_document
from app.problems import Problem

_SCRIPT = """
SwaggerUIBundle({url: "/openapi.json", dom_id: "#docs", deepLinking: true, validatorUrl: null})
"""

_PAGE = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>TaskPulse API</title>
<link rel="icon" type="image/svg+xml" href="/favicon.svg">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
<div id="docs"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script>{_SCRIPT}</script>
</html>
"""
_POLICY = page_policy(
    f"script-src 'self' {inline(_SCRIPT)}",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "connect-src 'self'",
)
"""Swagger UI sets styles on elements and draws its icons from data URLs."""
_TYPES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
"""The files that the page needs."""


def routes(handlers: Sequence[ControllerRouterHandler]) -> list[ControllerRouterHandler]:
    """Return the routes of /openapi.json, which describes `handlers`, and of /docs, which shows it."""
    document = build_document(handlers)

    @get("/openapi.json", include_in_schema=False, sync_to_thread=False)
    def openapi() -> Response[bytes]:
        return Response(document, media_type="application/json")

    @get("/docs", include_in_schema=False, media_type=MediaType.HTML, sync_to_thread=False, opt={"policy": _POLICY})
    def docs() -> str:
        return _PAGE

    folder = _assets()
    files = {name: (folder / name).read_bytes() for name in _TYPES}  # once: each answer refers to the same bytes

    @get("/docs/assets/{name:str}", include_in_schema=False)
    async def asset(name: FromPath[str]) -> Response[bytes]:
        if name not in files:
            raise Problem("not-found", "The documentation has no file of this name.")
        return Response(files[name], media_type=_TYPES[name])

    return [openapi, docs, asset]


def _assets() -> Path:
    """Return the folder of Swagger UI's files, which the package drf-spectacular-sidecar contains."""
    package = find_spec("drf_spectacular_sidecar")
    if package is None or not package.submodule_search_locations:
        raise RuntimeError("the package drf-spectacular-sidecar, which brings Swagger UI, is not installed")
    return Path(package.submodule_search_locations[0]) / "static/drf_spectacular_sidecar/swagger-ui-dist"

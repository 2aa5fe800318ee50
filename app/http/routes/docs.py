"""GET /openapi.json and GET /docs: the API's documentation."""

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from litestar import MediaType, Response, Router, get
from litestar.static_files import create_static_files_router
from litestar.types import ControllerRouterHandler

from app.http.openapi import build_document

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>TaskPulse API</title>
<link rel="icon" type="image/svg+xml" href="/favicon.svg">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
<div id="docs"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script>
SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#docs", deepLinking: true, persistAuthorization: true, validatorUrl: null
})
</script>
</html>
"""


def routes(handlers: Sequence[ControllerRouterHandler]) -> list[ControllerRouterHandler]:
    """Return the routes of /openapi.json, which describes `handlers`, and of /docs, which shows it."""
    document = cache(lambda: build_document(handlers))

    @get("/openapi.json", include_in_schema=False, sync_to_thread=False)
    def openapi() -> Response[bytes]:
        return Response(document(), media_type="application/json")

    @get("/docs", include_in_schema=False, media_type=MediaType.HTML, sync_to_thread=False)
    def docs() -> str:
        return _PAGE

    return [openapi, docs, _assets()]


def _assets() -> Router:
    """Return the routes of Swagger UI's files, which the package drf-spectacular-sidecar contains."""
    package = find_spec("drf_spectacular_sidecar")
    if package is None or not package.submodule_search_locations:
        raise RuntimeError("the package drf-spectacular-sidecar, which brings Swagger UI, is not installed")
    folder = Path(package.submodule_search_locations[0]) / "static/drf_spectacular_sidecar/swagger-ui-dist"
    return create_static_files_router("/docs/assets", directories=[folder], include_in_schema=False)

"""The OpenAPI 3.1 document and the page that shows it."""

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from litestar import Litestar, MediaType, Response, Router, get
from litestar.datastructures import ResponseHeader
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.spec import Components, License, SecurityScheme, Tag
from litestar.routes import HTTPRoute
from litestar.serialization import encode_json
from litestar.static_files import create_static_files_router
from litestar.types import ControllerRouterHandler

from app import __version__
from app.http.openapi_details import add_details
from app.http.problem_details import MEDIA_TYPE, ProblemDetails
from app.problems import TYPES

_DESCRIPTION = """\
Plain task CRUD done right, and tasks with a pulse.

Send `Authorization: Bearer tp_…` with every call. A key has scopes; each call says which one it needs. There is one
tenant: a key with `read` reads every task.

**Errors** are problem documents (RFC 9457); their `type` is a page that explains them. **Retry** a 503 after the
seconds in `Retry-After`, and where no answer came, with pauses that double from half a second up to half a minute,
each varied at random. GET, HEAD and DELETE may be repeated as they are; repeat a PATCH with the `If-Match` it had, and
a POST with the `Idempotency-Key` it had.
"""


def header(name: str, description: str) -> ResponseHeader:
    """Document a header; the empty value tells Litestar its type, without which the document is not valid."""
    return ResponseHeader(name=name, description=description, value="", documentation_only=True)


ETAG = header("ETag", 'The task\'s version in quotes, as in `"7"`.')
LOCATION = header("Location", "The path of the new task.")
LINK = header("Link", 'The next page, with `rel="next"` (RFC 8288).')
REPLAYED = header(
    "Idempotency-Replayed",
    "`true` where this is the stored answer of an earlier request with the same `Idempotency-Key`.",
)
ACCEPT_PATCH = header("Accept-Patch", "The media types that PATCH takes (RFC 5789).")

_ALWAYS = (400, 401, 403, 406, 500, 503)


def answers(*statuses: int, only: tuple[int, ...] = ()) -> dict[int, ResponseSpec]:
    """Document the errors of a call: these, and those that any call can answer with; or `only` some."""
    specs = {}
    for status in only or sorted({*statuses, *_ALWAYS}):
        titles = sorted(kind.title for kind in TYPES.values() if kind.status == status)
        specs[status] = ResponseSpec(
            data_container=ProblemDetails,
            description="; or: ".join(titles) + ".",
            media_type=MEDIA_TYPE,
            generate_examples=False,
        )
    return specs


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>TaskPulse API</title>
<link rel="icon" href="/docs/assets/favicon-32x32.png">
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


def _document(handlers: Sequence[ControllerRouterHandler]) -> bytes:
    """Describe these handlers, by way of an application that serves nothing."""
    config = OpenAPIConfig(
        title="TaskPulse",
        version=__version__,
        summary="A task API whose workers have a pulse",
        description=_DESCRIPTION,
        license=License(name="MIT", identifier="MIT"),
        use_handler_docstrings=True,
        tags=[Tag("Tasks"), Tag("Tasks with a pulse"), Tag("Service", description="What runs, and how it is.")],
        components=Components(
            security_schemes={
                "key": SecurityScheme(type="http", scheme="bearer", description="An API key, `tp_<id>_<secret>`.")
            }
        ),
    )
    app = Litestar(handlers, openapi_config=config, logging_config=None)
    document = app.openapi_schema.to_schema()
    routes = [handler for route in app.routes if isinstance(route, HTTPRoute) for handler in route.route_handlers]
    add_details(document, {str(route.operation_id): route.opt for route in routes})
    return encode_json(document)


def documentation(handlers: Sequence[ControllerRouterHandler]) -> list[ControllerRouterHandler]:
    """Return the routes of /openapi.json, which describes `handlers`, and of /docs, which shows it."""
    document = cache(lambda: _document(handlers))

    @get("/openapi.json", include_in_schema=False, sync_to_thread=False)
    def openapi() -> Response[bytes]:
        return Response(document(), media_type="application/json")

    @get("/docs", include_in_schema=False, media_type=MediaType.HTML, sync_to_thread=False)
    def docs() -> str:
        return _PAGE

    return [openapi, docs, _assets()]


def _assets() -> Router:
    """Return the routes of Swagger UI's files, which a package brings along that is made for just that."""
    package = find_spec("drf_spectacular_sidecar")
    if package is None or not package.submodule_search_locations:
        raise RuntimeError("the package drf-spectacular-sidecar, which brings Swagger UI, is not installed")
    folder = Path(package.submodule_search_locations[0]) / "static/drf_spectacular_sidecar/swagger-ui-dist"
    return create_static_files_router("/docs/assets", directories=[folder], include_in_schema=False)

"""The OpenAPI 3.1 document, and what endpoints say in it of headers and errors."""

from collections.abc import Sequence

from litestar import Litestar
from litestar.datastructures import ResponseHeader
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.spec import Components, License, SecurityScheme
from litestar.routes import HTTPRoute
from litestar.serialization import encode_json
from litestar.types import ControllerRouterHandler

from app import __version__
from app.http.openapi_details import add_details
from app.http.problem_details import MEDIA_TYPE, ProblemDetails


def response_header(name: str) -> ResponseHeader:
    """Declare a response header; the empty value tells Litestar its type, without which the document is not valid."""
    return ResponseHeader(name=name, value="", documentation_only=True)


ETAG = response_header("ETag")
LOCATION = response_header("Location")
LINK = response_header("Link")
REPLAYED = response_header("Idempotency-Replayed")
ACCEPT_PATCH = response_header("Accept-Patch")
NOT_MODIFIED = {304: ResponseSpec(None, description="The version that you have is the present one.")}

_ALWAYS = (400, 401, 403, 406, 429, 431, 500, 503)


def problem_responses(*statuses: int, only: tuple[int, ...] = ()) -> dict[int, ResponseSpec]:
    """Describe the errors of an endpoint: these and those of every endpoint, or `only` some."""
    specs = {}
    for status in only or sorted({*statuses, *_ALWAYS}):
        specs[status] = ResponseSpec(data_container=ProblemDetails, media_type=MEDIA_TYPE, generate_examples=False)
    return specs


def build_document(handlers: Sequence[ControllerRouterHandler]) -> bytes:
    """Return the OpenAPI document of these handlers as JSON, made by an application that serves nothing.

    It lacks the texts and examples, which take time: see `with_reference`.
    """
    config = OpenAPIConfig(
        title="TaskPulse",
        version=__version__,
        summary="A task queue with an HTTP API: workers lease tasks and send heartbeats",
        license=License(name="MIT", identifier="MIT"),
        use_handler_docstrings=True,
        components=Components(
            security_schemes={
                "key": SecurityScheme(
                    type="http",
                    scheme="bearer",
                    description="An API key, `tp_<id>_<secret>`. Each call lists the scope that it needs.",
                )
            }
        ),
    )
    app = Litestar(handlers, openapi_config=config, logging_config=None)
    document = app.openapi_schema.to_schema()
    routes = [handler for route in app.routes if isinstance(route, HTTPRoute) for handler in route.route_handlers]
    add_details(document, {str(route.operation_id): route.opt for route in routes})
    return encode_json(document)

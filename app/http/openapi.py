"""The OpenAPI 3.1 document, and what endpoints say in it of headers and errors."""

from collections.abc import Sequence

from litestar import Litestar
from litestar.datastructures import ResponseHeader
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.spec import Components, License, SecurityScheme, Tag
from litestar.routes import HTTPRoute
from litestar.serialization import encode_json
from litestar.types import ControllerRouterHandler

from app import __version__
from app.http.openapi_details import add_details
from app.http.problem_details import MEDIA_TYPE, ProblemDetails
from app.problems import TYPES

_DESCRIPTION = """\
Plain task CRUD done right, and tasks with a pulse.

Send `Authorization: Bearer tp_…` with every call. A key has scopes; each call says which one it needs. There is one
tenant: a key with `read` reads every task.

**Errors** are problem documents (RFC 9457); their `type` is a page that explains them. **Retry** a 429 or a 503 after
the seconds in `Retry-After`, and where no answer came, with pauses that double from half a second up to half a minute,
each varied at random. A 429 says that your key has too much going on at the same time: `GET /v1/limits`. GET, HEAD and
DELETE may be repeated as they are; repeat a PATCH with the `If-Match` it had, and a POST with the `Idempotency-Key` it
had.
"""


def response_header(name: str, description: str) -> ResponseHeader:
    """Describe a response header; the empty value tells Litestar its type, without which the document is not valid."""
    return ResponseHeader(name=name, description=description, value="", documentation_only=True)


ETAG = response_header("ETag", 'The version in quotes, as in `"7"`.')
LOCATION = response_header("Location", "The path of what was made.")
LINK = response_header("Link", 'The next page, with `rel="next"` (RFC 8288).')
REPLAYED = response_header(
    "Idempotency-Replayed",
    "`true` where this is the stored answer of an earlier request with the same `Idempotency-Key`.",
)
ACCEPT_PATCH = response_header("Accept-Patch", "The media types that PATCH takes (RFC 5789).")
NOT_MODIFIED = {304: ResponseSpec(None, description="The version that you have is the present one.")}

_ALWAYS = (400, 401, 403, 406, 429, 431, 500, 503)


def problem_responses(*statuses: int, only: tuple[int, ...] = ()) -> dict[int, ResponseSpec]:
    """Describe the errors of an endpoint: these and those of every endpoint, or `only` some."""
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


def build_document(handlers: Sequence[ControllerRouterHandler]) -> bytes:
    """Return the OpenAPI document of these handlers as JSON, made by an application that serves nothing."""
    config = OpenAPIConfig(
        title="TaskPulse",
        version=__version__,
        summary="A task API whose workers have a pulse",
        description=_DESCRIPTION,
        license=License(name="MIT", identifier="MIT"),
        use_handler_docstrings=True,
        tags=[
            Tag("Tasks"),
            Tag("Tasks with a pulse"),
            Tag("Queues"),
            Tag("Service", description="What runs, and how it is."),
        ],
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

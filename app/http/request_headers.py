"""Request headers by name; repeated ones are combined into one list (RFC 9110, section 5.3)."""

from collections.abc import Iterable, Mapping
from typing import Any

from litestar.connection import ASGIConnection


def combine_headers(headers: Iterable[tuple[bytes, bytes]]) -> Mapping[bytes, bytes]:
    """Return the headers of an ASGI scope by name, in lower case."""
    combined: dict[bytes, bytes] = {}
    for name, value in headers:
        combined[name] = b"%b,%b" % (combined[name], value) if name in combined else value
    return combined


def get_header(connection: ASGIConnection[Any, Any, Any, Any], name: bytes) -> str | None:
    """Return a request header, or None where it is absent; `name` is in lower case."""
    value: bytes | None = connection.scope["state"]["fields"].get(name)
    return None if value is None else value.decode("latin-1")


def document_header(name: str, description: str, **schema: Any) -> Mapping[str, Any]:
    """Describe a request header for the OpenAPI document; endpoints list it as what they read.

    As a parameter of the handler, Litestar would look it up and validate it for each request a second time.
    """
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string", **schema}}

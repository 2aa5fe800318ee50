"""The header fields of a request, by name: what came in several lines is one list (RFC 9110, section 5.3)."""

from collections.abc import Iterable, Mapping
from typing import Any

from litestar.connection import ASGIConnection


def joined(headers: Iterable[tuple[bytes, bytes]]) -> Mapping[bytes, bytes]:
    """Return the fields of an ASGI scope's headers, whose names are in lower case."""
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        fields[name] = b"%b,%b" % (fields[name], value) if name in fields else value
    return fields


def field(connection: ASGIConnection[Any, Any, Any, Any], name: bytes) -> str | None:
    """Return a field of a request, or None where it is absent."""
    value: bytes | None = connection.scope["state"]["fields"].get(name)
    return None if value is None else value.decode("latin-1")


def documented(name: str, description: str, **schema: Any) -> Mapping[str, Any]:
    """Describe a field for the OpenAPI document, by way of `opt["fields"]` of each call that reads it.

    As a parameter of the handler, Litestar would look it up for every request, and check what is checked here anyway.
    """
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string", **schema}}

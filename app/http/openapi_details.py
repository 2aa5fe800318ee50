"""Adds to the OpenAPI document what Litestar cannot express."""

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, get_args

from app.http.json_body import StrictJSON
from app.http.negotiation import JSON, MERGE_PATCH
from app.http.sse import MEDIA_TYPE as EVENT_STREAM
from app.leases.listing import Liveness
from app.tasks.model import Action, Priority, Status
from app.tasks.query import LeaseFilter

NAMED = {
    "Status": Status,
    "Priority": Priority,
    "Action": Action,
    "LeaseFilter": LeaseFilter,
    "Liveness": Liveness,
}
"""Enumerations that have a schema of their own: otherwise a client generator makes a class at each place."""


def add_details(document: dict[str, Any], options: Mapping[str, Mapping[str, Any]]) -> None:
    """Add links and media types from openapi.toml; scopes and request headers from `opt` by operation id.

    Litestar's own error for wrong parameters is removed, as no call answers with it. Null is removed from parameters,
    as nothing in a URL is null.
    """
    details = _details()
    schemas = document["components"]["schemas"]
    schemas.update(StrictJSON.schemas())
    for name, more in details["schemas"].items():
        schemas[name].update(json.loads(more))
    for operation in _operations(document):
        name = operation["operationId"]
        if "scope" in options[name]:
            scope = options[name]["scope"]
            operation["description"] += f"\n\nNeeds a key with the scope `{scope}`." if scope else "\n\nNeeds any key."
            operation["security"] = [{"key": [scope] if scope else []}]
        operation["responses"] = {
            status: response
            for status, response in operation["responses"].items()
            if (status < "400" or JSON not in response.get("content", ()))
            and (status != "403" or options[name]["scope"])  # what takes any key refuses none
        }
        if {"200", "201"} <= operation["responses"].keys():  # one body, made or there
            made, there = operation["responses"]["201"], operation["responses"]["200"]
            operation["responses"]["200"] = {**made, "description": there["description"]}
        _describe_parameters(operation, options[name].get("fields", ()))
        _describe_bodies(operation["responses"], details["media_types"].get(name, {}))
        for status, links in details["links"].get(name, {}).items():
            operation["responses"][status]["links"] = {
                target: _link(target, dict(values)) for target, values in links.items()
            }
    for operation in (methods["patch"] for methods in document["paths"].values() if "patch" in methods):
        content = operation["requestBody"]["content"]
        operation["requestBody"]["content"] = {MERGE_PATCH: content[JSON], **content}
    _simplify(document)
    schemas |= {name: {"type": "string", "enum": list(get_args(kind)), "title": name} for name, kind in NAMED.items()}


def _describe_bodies(responses: dict[str, Any], media_types: Mapping[str, Mapping[str, str]]) -> None:
    """Add media types, and call a stream of events a choice of an event and text.

    A client generator that reads streams gives each event, and others all of it as text.
    """
    for status, texts in media_types.items():
        for media_type, text in texts.items():
            responses[status]["content"][media_type] = {"schema": {"type": "string", "description": text}}
    for response in responses.values():
        if content := response.get("content", {}).get(EVENT_STREAM):
            content["schema"] = {"oneOf": [content["schema"], {"type": "string"}]}


def _describe_parameters(operation: dict[str, Any], fields: Sequence[Mapping[str, Any]]) -> None:
    for parameter in operation.get("parameters", ()):
        _never_null(parameter["schema"])
    if fields:
        operation["parameters"] = [*operation.get("parameters", ()), *fields]


@cache
def _details() -> dict[str, Any]:
    return tomllib.loads((files("app.http") / "openapi.toml").read_text("utf-8"))


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in document["paths"].values():
        yield from (operation for operation in methods.values() if "operationId" in operation)


def _simplify(part: Any) -> None:
    """Refer to the enumerations that have a name, and write a choice of one schema as that schema."""
    if isinstance(part, dict):
        if len(part.get("oneOf", ())) == 1:
            part.update(part.pop("oneOf")[0])
        values = set(part["enum"]) if isinstance(part.get("enum"), list) else set()
        name = next((name for name, kind in NAMED.items() if values == set(get_args(kind))), None)
        if name:
            reference = {"$ref": f"#/components/schemas/{name}"}
            others = {key: value for key, value in part.items() if key not in ("type", "enum")}
            part.clear()
            part.update({"allOf": [reference], **others} if others else reference)
    for value in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        _simplify(value)


def _never_null(schema: dict[str, Any]) -> None:
    if "oneOf" in schema:
        (one,) = [kind for kind in schema.pop("oneOf") if kind != {"type": "null"}]
        schema.update({**one, **schema})
    if isinstance(schema.get("type"), list):
        (schema["type"],) = [kind for kind in schema["type"] if kind != "null"]
        schema["enum"] = [value for value in schema["enum"] if value is not None]


def _link(target: str, values: dict[str, Any]) -> dict[str, Any]:
    body = values.pop("body", None)
    return {"operationId": target, "parameters": values} | ({"requestBody": body} if body else {})

"""Adds to the OpenAPI document what people read: texts, when each problem occurs, and examples.

They are data in app/http/reference/. The examples are answers of the real service: tests/app/http/test_examples.py.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from app.http.openapi_constraints import constraints
from app.http.problem_details import MEDIA_TYPE
from app.problems import TYPES

Json = dict[str, Any]

_COMPONENTS = "#/components/schemas/"


def with_reference(document: bytes) -> bytes:
    """Return an OpenAPI document with texts and examples; both are JSON."""
    described: Json = msgspec.json.decode(document)
    described["info"]["description"] = _read("introduction.md")
    described["tags"] = [{"name": name, "description": text.strip()} for name, text in _table("tags").items()]
    _describe_schemas(described["components"]["schemas"])
    examples = _examples()
    described["components"]["examples"] = {
        name: {"summary": TYPES[name].title, "value": call["body"]} for name, call in examples["problems"].items()
    }
    described["components"]["headers"] = _common_headers(examples["problems"].values())
    calls_of_all = [call for found in examples["operations"].values() for call in found["calls"]]
    values = {name: value for call in calls_of_all for name, value in call["headers"].items()}
    for path, methods in described["paths"].items():
        for operation in methods.values():
            found = examples["operations"].get(operation["operationId"], {})
            calls = found.get("calls", [])
            _describe_parameters(operation, found.get("parameters", {}))
            _give_requests(operation, calls)
            _describe_responses(operation, calls, values)
            _describe_problems(operation, problems_of(path, operation), calls)
    return msgspec.json.encode(described)


def problems_of(path: str, operation: Json) -> Mapping[str, str]:
    """Return when each problem of an operation occurs, by the name of the problem, in the order of statuses."""
    table = _table("responses")
    texts: dict[str, str] = {}
    if path.startswith("/v1/"):
        texts |= table["every_call"]
        texts |= table["with_body"] if "requestBody" in operation else {}
        keyed = any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", ()))
        texts |= table["with_idempotency_key"] if keyed else {}
    texts |= {name: text for name, text in table[operation["operationId"]].items() if name in TYPES}
    documented = {name: text for name, text in texts.items() if str(TYPES[name].status) in operation["responses"]}
    return dict(sorted(documented.items(), key=lambda item: TYPES[item[0]].status))


def _describe_schemas(schemas: Json) -> None:
    fields = _table("fields")
    for name, schema in schemas.items():
        if name in fields["schemas"]:
            schema["description"] = fields["schemas"][name]
        sections = [fields[each] for each in (name, *fields["like"].get(name, ())) if each in fields]
        properties = schema.get("properties", {})
        for field, kind in properties.items():
            text = next((section[field] for section in sections if field in section), None)
            if text is not None:
                properties[field] = _with_text(kind, " ".join((text, *constraints(kind))))


def _with_text(schema: Json, text: str) -> Json:
    """Return a schema with a description; a reference stands in `allOf`, so that generators see the one class."""
    return {"allOf": [schema], "description": text} if "$ref" in schema else {**schema, "description": text}


def _describe_parameters(operation: Json, examples: Json) -> None:
    texts = _table("headers")["parameters"]
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        for noise in ("deprecated", "allowEmptyValue", "allowReserved"):
            parameter.pop(noise, None)
        schema.pop("description", None)
        text = parameter.get("description") or texts.get(parameter["name"])
        if text:
            parameter["description"] = " ".join((text, *constraints(schema)))
        if parameter["name"] in examples:
            parameter["example"] = examples[parameter["name"]]


def _give_requests(operation: Json, calls: Sequence[Json]) -> None:
    examples = {_key(call): {"summary": call["name"], "value": call["request"]} for call in calls if "request" in call}
    for content in operation.get("requestBody", {}).get("content", {}).values():
        content["examples"] = examples


def _describe_responses(operation: Json, calls: Sequence[Json], values: Mapping[str, str]) -> None:
    """Describe responses and their headers; `values` are those that headers had in any call."""
    texts, extra = _table("responses").get(operation["operationId"], {}), _table("headers")["always"]
    for status, response in operation["responses"].items():
        response["description"] = texts.get(status, response.get("description", ""))
        answers = [call for call in calls if str(call["status"]) == status]
        for media_type, content in response.get("content", {}).items():
            examples = {
                _key(call): {"summary": call["name"], "value": call["body"]}
                for call in answers
                if call["media_type"] == media_type
            }
            if examples:
                content["examples"] = examples
        headers = response.get("headers", {})
        for name in [*headers]:
            own = (call["headers"][name] for call in answers if name in call["headers"])
            headers[name] = _header(name, next(own, values.get(name)))
        for name in ("X-Request-ID", *extra.get(status, ())):
            headers[name] = {"$ref": f"#/components/headers/{name}"}
        response["headers"] = headers


def _describe_problems(operation: Json, texts: Mapping[str, str], calls: Sequence[Json]) -> None:
    own = {
        call["name"]: {"summary": TYPES[call["name"]].title, "value": call["body"]}
        for call in calls
        if call["status"] >= 400
    }
    for status, response in operation["responses"].items():
        if MEDIA_TYPE in response.get("content", {}):
            names = [name for name in texts if str(TYPES[name].status) == status]
            response["description"] = "\n".join(f"- `{name}`: {texts[name]}" for name in names)
            response["content"][MEDIA_TYPE]["examples"] = {
                name: own.get(name, {"$ref": f"#/components/examples/{name}"}) for name in names
            }


def _header(name: str, example: str | None) -> Json:
    described = {"description": _table("headers")["responses"][name], "schema": {"type": "string"}}
    return described if example is None else {**described, "example": example}


def _common_headers(calls: Iterable[Json]) -> Json:
    """Return the headers that many responses share, each with a value that one of these calls had."""
    values = {name: value for call in calls for name, value in call["headers"].items()}
    names = {"X-Request-ID", *(name for names in _table("headers")["always"].values() for name in names)}
    return {name: _header(name, values.get(name)) for name in sorted(names)}


def _key(call: Json) -> str:
    return re.sub(r"[^a-z0-9]+", "-", call["name"].lower()).strip("-")


def _examples() -> Json:
    examples: Json = msgspec.json.decode(_read("examples.json"))
    return examples


@cache
def _table(name: str) -> Mapping[str, Any]:
    return tomllib.loads(_read(f"{name}.toml"))


def _read(name: str) -> str:
    return (files("app.http") / "reference" / name).read_text("utf-8")

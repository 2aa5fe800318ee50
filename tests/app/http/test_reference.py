"""The OpenAPI document as a reference: every part of it has a text and an example."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from app.http.openapi_constraints import constraints
from app.http.openapi_reference import problems_of
from app.problems import TYPES
from tests.support.contract import PROBLEM, Contract

Json = dict[str, Any]

SENTENCE = re.compile(r".{5,}[.:`|]\Z", re.DOTALL)
TAGS = ["Tasks", "Leases", "Queues", "Events", "Limits", "Errors", "Service"]


@pytest.fixture
def document(contract: Contract) -> Json:
    """The OpenAPI document."""
    return contract.document


@pytest.fixture
def operations(document: Json) -> list[tuple[str, Json]]:
    """The path and the description of every operation."""
    return [(path, operation) for path, methods in document["paths"].items() for operation in methods.values()]


def resolved(document: Json, part: Json) -> Json:
    """Return a part, or what it refers to."""
    while "$ref" in part:
        found = document
        for token in part["$ref"].removeprefix("#/").split("/"):
            found = found[token]
        part = found
    return part


def parts(document: Json) -> Iterator[tuple[str, str]]:
    """Yield the place and the text of all that the document describes; the text is empty where there is none."""
    yield "info", document["info"].get("description", "")
    for tag in document["tags"]:
        yield f"tag {tag['name']}", tag.get("description", "")
    for name, schema in document["components"]["schemas"].items():
        yield name, schema.get("description", "")
        for field, kind in schema.get("properties", {}).items():
            yield f"{name}.{field}", kind.get("description", "")
    for methods in document["paths"].values():
        for operation in methods.values():
            name = operation["operationId"]
            yield name, operation.get("description", "")
            for parameter in operation.get("parameters", ()):
                yield f"{name} {parameter['name']}", parameter.get("description", "")
            for status, response in operation["responses"].items():
                yield f"{name} {status}", response.get("description", "")
                for header, described in response.get("headers", {}).items():
                    yield f"{name} {status} {header}", resolved(document, described).get("description", "")


def test_every_part_has_a_text(document: Json) -> None:
    found = dict(parts(document))
    assert len(found) > 1000
    assert [place for place, text in found.items() if not SENTENCE.match(text.strip())] == []


def test_no_text_is_that_of_a_library(document: Json) -> None:
    common = ("Request fulfilled", "Document created", "Bad request")
    assert [place for place, text in parts(document) if any(part in text for part in common)] == []


def test_ranges_and_defaults_are_in_the_texts(document: Json) -> None:
    properties = [
        kind for schema in document["components"]["schemas"].values() for kind in schema.get("properties", {}).values()
    ]
    parameters = [
        {**parameter["schema"], "description": parameter["description"]}
        for methods in document["paths"].values()
        for operation in methods.values()
        for parameter in operation.get("parameters", ())
    ]
    bounded = [kind for kind in properties + parameters if list(constraints(kind))]
    assert len(bounded) > 50
    for kind in bounded:
        assert all(sentence in kind["description"] for sentence in constraints(kind)), kind


@pytest.mark.parametrize(
    ("schema", "sentences"),
    [
        ({"minimum": 1, "maximum": 1000, "default": 3}, ["From 1 to 1,000.", "Default: `3`."]),
        ({"anyOf": [{"maxLength": 200, "minLength": 1}, {"type": "null"}]}, ["From 1 to 200 characters."]),
        ({"maxItems": 20, "items": {"maxLength": 50}}, ["At most 20 items.", "Each: at most 50 characters."]),
        ({"type": "boolean", "default": False}, ["Default: `false`."]),
        ({"minItems": 1}, ["At least 1 item."]),
        ({"type": "string", "default": None}, []),
    ],
)
def test_what_a_schema_allows_is_said_in_words(schema: Json, sentences: list[str]) -> None:
    assert list(constraints(schema)) == sentences


def test_tags_are_in_reading_order_and_each_has_calls(document: Json, operations: list[tuple[str, Json]]) -> None:
    assert [tag["name"] for tag in document["tags"]] == TAGS
    assert {tag for _, operation in operations for tag in operation["tags"]} == set(TAGS)


def test_every_parameter_and_request_has_an_example(operations: list[tuple[str, Json]]) -> None:
    without = [
        f"{operation['operationId']} {parameter['name']}"
        for _, operation in operations
        for parameter in operation.get("parameters", ())
        if "example" not in parameter
    ]
    without += [
        operation["operationId"]
        for _, operation in operations
        for content in operation.get("requestBody", {}).get("content", {}).values()
        if not content["examples"]
    ]
    assert without == []


def test_every_answer_has_an_example(document: Json, operations: list[tuple[str, Json]]) -> None:
    without = [
        f"{operation['operationId']} {status} {media_type}"
        for _, operation in operations
        for status, response in operation["responses"].items()
        for media_type, content in response.get("content", {}).items()
        if not content.get("examples")
    ]
    assert without == []
    headers = [
        f"{operation['operationId']} {status} {name}"
        for _, operation in operations
        for status, response in operation["responses"].items()
        for name, header in response["headers"].items()
        if status not in ("204", "304") and "example" not in resolved(document, header)
    ]
    assert headers == []


def test_every_problem_of_every_call_has_its_reason_and_an_example(
    document: Json, operations: list[tuple[str, Json]]
) -> None:
    shown = set()
    for path, operation in operations:
        expected = problems_of(path, operation)
        for status, response in operation["responses"].items():
            if PROBLEM not in response.get("content", {}):
                continue
            examples = response["content"][PROBLEM]["examples"]
            assert examples, (operation["operationId"], status)
            for name, example in examples.items():
                value = resolved(document, example)["value"]
                assert value["type"] == f"/problems/{name}"
                assert value["status"] == TYPES[name].status == int(status)
                assert f"- `{name}`: {expected[name]}" in response["description"]
            shown |= examples.keys()
    assert shown == TYPES.keys() - {"method-not-allowed"}  # no call that is documented answers so


def test_a_refusal_of_a_call_is_shown_with_that_call(document: Json, operations: list[tuple[str, Json]]) -> None:
    """What depends on the call, such as 404 and 409, has an example of that call."""
    for _, operation in operations:
        for status in {"404", "409", "412"} & operation["responses"].keys():
            examples = operation["responses"][status]["content"][PROBLEM]["examples"]
            general = {name for name, example in examples.items() if "$ref" in example}
            assert general <= {"idempotency-in-progress"}, (operation["operationId"], status)

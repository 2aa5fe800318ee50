"""GET /openapi.json."""

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import httpx
import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from app.tasks.model import Action, NewTask, Priority, Status
from tests.support.contract import PROBLEM, Contract

Operation = tuple[str, str, dict[str, Any]]


@pytest.fixture
def operations(contract: Contract) -> list[Operation]:
    """Method, path and description of every operation."""
    return [
        (method, path, operation)
        for path, methods in contract.document["paths"].items()
        for method, operation in methods.items()
    ]


def test_it_works(anonymous: httpx.Client) -> None:
    response = anonymous.get("/openapi.json")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json()["openapi"].startswith("3.1")
    validate(response.json(), cls=OpenAPIV31SpecValidator)


def test_operation_ids_are_unique_and_summaries_are_there(operations: list[Operation]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations]
    assert len(ids) == len(set(ids)) >= 11
    assert all(re.fullmatch(r"[a-z][A-Za-z]+", name) for name in ids)
    assert all(operation["summary"] and operation["description"] for _, _, operation in operations)


def test_every_task_call_documents_its_errors(operations: list[Operation]) -> None:
    for method, path, operation in operations:
        if not path.startswith("/v1/"):
            continue
        expected = {"400", "401", "406", "431", "500", "503"}
        expected |= {"403"} if operation["security"][0]["key"] else set()
        expected |= {"404"} if "{" in path else set()
        expected |= {"408", "413", "415", "429"} if "requestBody" in operation else set()
        expected |= {"412"} if method in ("patch", "delete") else set()
        errors = {status for status in operation["responses"] if status >= "400"}
        assert errors >= expected, (method, path)
        for status in errors:
            content = operation["responses"][status]["content"]
            assert content[PROBLEM]["schema"] == {"$ref": "#/components/schemas/ProblemDetails"}, (method, path)


def test_every_error_is_documented_as_a_problem(operations: list[Operation]) -> None:
    for method, path, operation in operations:
        for status in (status for status in operation["responses"] if status >= "400"):
            assert list(operation["responses"][status]["content"]) == [PROBLEM], (method, path, status)


def test_the_scope_that_a_call_needs_is_in_its_text_too(operations: list[Operation]) -> None:
    for _, _, operation in operations:
        scopes = [scope for scheme in operation.get("security", ()) for scope in scheme["key"]]
        named = re.findall(r"Needs a key with the scope `(\w+)`\.", operation["description"])
        assert named == scopes, operation["operationId"]


def test_a_patch_is_documented_with_both_media_types(contract: Contract) -> None:
    body = contract.document["paths"]["/v1/tasks/{task_id}"]["patch"]["requestBody"]
    assert list(body["content"]) == ["application/merge-patch+json", "application/json"]
    assert len({json.dumps(content["examples"]) for content in body["content"].values()}) == 1


def test_limits_and_formats_reach_the_document(contract: Contract) -> None:
    schema = contract.document["components"]["schemas"]["NewTask"]
    properties = schema["properties"]
    assert set(properties) == set(msgspec.structs.asdict(NewTask(title="x")))
    assert schema["required"] == ["title"]
    assert (properties["title"]["minLength"], properties["title"]["maxLength"]) == (1, 200)
    assert (properties["max_attempts"]["minimum"], properties["max_attempts"]["maximum"]) == (1, 1000)
    parameters = {p["name"]: p for p in contract.document["paths"]["/v1/tasks"]["get"]["parameters"]}
    limit = parameters["limit"]["schema"]
    assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 200, 50)


def walk(part: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of the document."""
    if isinstance(part, dict):
        yield part
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from walk(inner)


def test_each_enumeration_has_one_place(contract: Contract) -> None:
    """A client generator makes a class for each place."""
    places = [frozenset(part["enum"]) for part in walk(contract.document) if isinstance(part.get("enum"), list)]
    assert len(places) == len(set(places)) >= 6
    schemas = contract.document["components"]["schemas"]
    for name, kind in {"Status": Status, "Priority": Priority, "Action": Action}.items():
        assert schemas[name]["enum"] == list(get_args(kind))


def test_no_choice_is_of_one_schema(contract: Contract) -> None:
    choices = [part["oneOf"] for part in walk(contract.document) if isinstance(part.get("oneOf"), list)]
    assert len(choices) > 5
    assert all(len(choice) > 1 for choice in choices)


def test_what_a_client_reads_has_a_type(contract: Contract) -> None:
    schemas = contract.document["components"]["schemas"]
    for name, field in (("Task", "id"), ("TaskEvent", "task_id"), ("ChangedFields", "id")):
        assert schemas[name]["properties"][field].items() >= {"type": "string", "format": "uuid"}.items()
    for name in ("Change", "TaskEvent"):
        for field in ("before", "after"):
            assert {"$ref": "#/components/schemas/ChangedFields"} in schemas[name]["properties"][field]["oneOf"]
    assert schemas["ChangedFields"]["properties"].keys() == schemas["Task"]["properties"].keys() | {
        "worker",
        "attempt",
        "error",
        "result",
    }
    parameters = {p["name"]: p["schema"] for p in contract.document["paths"]["/v1/tasks"]["get"]["parameters"]}
    assert parameters["overdue"]["type"] == parameters["count"]["type"] == "boolean"
    assert parameters["count"]["default"] is False
    assert not schemas.keys() & {"Event", "Request", "Response", "Error", "Date", "Map", "Set", "Promise"}


def test_answers_document_their_headers(contract: Contract) -> None:
    paths = contract.document["paths"]
    assert {"ETag", "Location"} <= set(paths["/v1/tasks"]["post"]["responses"]["201"]["headers"])
    assert "Link" in paths["/v1/tasks"]["get"]["responses"]["200"]["headers"]
    assert "ETag" in paths["/v1/tasks/{task_id}"]["patch"]["responses"]["200"]["headers"]


def test_the_document_says_what_clients_trip_over(operations: list[Operation]) -> None:
    by_id = {operation["operationId"]: operation for _, _, operation in operations}
    assert "such an export refuses `limit`, `cursor` and `count`" in " ".join(by_id["listTasks"]["description"].split())
    (key,) = [one for one in by_id["createTask"]["parameters"] if one["name"] == "Idempotency-Key"]
    assert "the same to the byte" in key["description"]

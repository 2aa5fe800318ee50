"""Compares what the service answers to what its OpenAPI document promises."""

import re
from typing import Any

import httpx
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

_DOCUMENT = "urn:openapi"
PROBLEM = "application/problem+json"


class Contract:
    """The OpenAPI document as a check of every response; used as an httpx event hook."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._registry: Registry[Any] = Registry().with_resource(_DOCUMENT, DRAFT202012.create_resource(document))
        self._routes = [
            (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path)
            for path in sorted(document["paths"], key=lambda path: "{" in path)
        ]

    def check(self, response: httpx.Response) -> None:
        """Assert that status, media type and body are among those that the document gives for the call."""
        media_type = response.headers.get("content-type", "").partition(";")[0]
        if media_type not in ("application/json", PROBLEM, ""):
            return  # pages, metrics and streams are looked at where they are tested
        response.read()
        where = self._responses(response)
        if where is None and response.status_code == 200:
            return  # the document itself
        if where is None:  # no such call: any call's 401 shows what a problem looks like
            assert response.status_code in (204, 400, 404, 405), f"{response.request} is not documented"
            where, documented = self._find("get", "/v1/tasks"), "401"
        else:
            documented = str(response.status_code)
        pointer, responses = where
        assert documented in responses, f"{response.request} answered an undocumented {response.status_code}"
        if response.request.method == "HEAD" or not response.content:
            return
        content = responses[documented].get("content", {})
        assert media_type in content, f"{response.request} answered with an undocumented {media_type}"
        if media_type == PROBLEM and documented == str(response.status_code):
            name = response.json()["type"].removeprefix("/problems/")
            known = content[PROBLEM]["examples"]
            assert name in known, f"{response.request} answered an undocumented problem {name}"
        self.validate(f"{pointer}/{documented}/content/{media_type.replace('/', '~1')}/schema", response.json())

    def validate(self, reference: str, value: Any) -> None:
        """Assert that `value` has the form of the schema at this place of the document."""
        Draft202012Validator({"$ref": _DOCUMENT + reference}, registry=self._registry).validate(value)

    def _responses(self, response: httpx.Response) -> tuple[str, dict[str, Any]] | None:
        """Return where the responses of the call are documented, and these; None where nothing is."""
        method = response.request.method.lower().replace("head", "get")
        path = response.request.url.raw_path.decode().partition("?")[0].rstrip("/") or "/"
        for pattern, template in self._routes:
            if pattern.fullmatch(path):
                return self._find(method, template) if method in self.document["paths"][template] else None
        return None

    def _find(self, method: str, template: str) -> tuple[str, dict[str, Any]]:
        responses = self.document["paths"][template][method]["responses"]
        return f"#/paths/{template.replace('/', '~1')}/{method}/responses", responses


def problem(response: httpx.Response, status: int, name: str, *pointers: str) -> dict[str, Any]:
    """Assert that the response is this problem with just these pointers, and return its body."""
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["type"]) == (status, f"/problems/{name}"), body
    assert response.headers["content-type"] == PROBLEM
    assert body["status"] == status
    assert body["instance"] == response.request.url.raw_path.decode().partition("?")[0]
    assert body["request_id"] == response.headers["x-request-id"]
    assert [error["pointer"] for error in body["errors"]] == list(pointers), body
    assert all(error["detail"] in body["detail"] for error in body["errors"])
    return body

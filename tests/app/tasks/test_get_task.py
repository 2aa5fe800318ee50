"""GET /v1/tasks/{id}."""

import httpx
import pytest

from tests.support.contract import problem


def test_it_works(client: httpx.Client) -> None:
    created = client.post("/v1/tasks", json={"title": "Read me"}).json()
    response = client.get(f"/v1/tasks/{created['id']}")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == created
    assert response.headers["etag"] == '"1"'
    assert "application/merge-patch+json" in response.headers["accept-patch"]


def test_head_is_get_without_the_body(client: httpx.Client) -> None:
    path = client.post("/v1/tasks", json={"title": "Read me"}).headers["location"]
    get, head = client.get(path), client.head(path)
    assert head.status_code == 200
    assert head.content == b""
    ours = ("etag", "content-type", "content-length", "accept-patch")
    assert [head.headers[name] for name in ours] == [get.headers[name] for name in ours]


@pytest.mark.parametrize("spelling", [str.upper, lambda text: text.replace("-", "")])
def test_an_id_in_another_spelling_is_the_same_id(client: httpx.Client, spelling: "type[str]") -> None:
    created = client.post("/v1/tasks", json={"title": "x"}).json()
    assert client.get(f"/v1/tasks/{spelling(created['id'])}").json() == created


@pytest.mark.parametrize("tag", ['"1"', 'W/"1"', '"0", "1"', 'W/"7",W/"1"', '"0" , , "1",', "*"])
def test_the_version_that_the_client_has_is_not_sent_again(client: httpx.Client, tag: str) -> None:
    path = client.post("/v1/tasks", json={"title": "x"}).headers["location"]
    for method in ("GET", "HEAD"):
        response = client.request(method, path, headers={"If-None-Match": tag})
        assert response.status_code == 304
        assert response.headers["etag"] == '"1"'
        assert response.content == b""


@pytest.mark.parametrize("tag", ['"2"', 'W/"2"', '"01"', '""', '"x"', '"1-gzip"'])
def test_another_version_is_sent(client: httpx.Client, tag: str) -> None:
    path = client.post("/v1/tasks", json={"title": "x"}).headers["location"]
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_tags_in_two_header_lines_are_one_list(client: httpx.Client) -> None:
    path = client.post("/v1/tasks", json={"title": "x"}).headers["location"]
    response = client.get(path, headers=[("If-None-Match", '"7"'), ("If-None-Match", '"1"')])
    assert response.status_code == 304


@pytest.mark.parametrize("tag", ["1", "'1'", '"1', 'w/"1"', '"1" "2"', '"1 "', '*, "1"', '"1", 2'])
def test_what_is_not_an_entity_tag(client: httpx.Client, tag: str) -> None:
    path = client.post("/v1/tasks", json={"title": "x"}).headers["location"]
    body = problem(client.get(path, headers={"If-None-Match": tag}), 400, "invalid-request", "If-None-Match")
    assert body["errors"][0]["in"] == "header"


def test_a_deleted_task_is_not_there(client: httpx.Client) -> None:
    path = client.post("/v1/tasks", json={"title": "x"}).headers["location"]
    client.delete(path)
    problem(client.get(path), 404, "not-found")

"""DELETE /v1/tasks/{id}."""

import httpx
import pytest

from tests.support.contract import problem


@pytest.fixture
def path(client: httpx.Client) -> str:
    """The path of a task."""
    return client.post("/v1/tasks", json={"title": "x"}).headers["location"]


def test_it_works(client: httpx.Client, path: str) -> None:
    response = client.delete(path)
    assert response.status_code == 204
    assert response.content == b""
    assert client.get("/v1/tasks").json()["items"] == []


def test_again_is_404(client: httpx.Client, path: str) -> None:
    client.delete(path)
    problem(client.delete(path), 404, "not-found")


@pytest.mark.parametrize("tag", ['"1"', '"7", "1"', "*"])
def test_if_match_with_the_present_version(client: httpx.Client, path: str, tag: str) -> None:
    assert client.delete(path, headers={"If-Match": tag}).status_code == 204


@pytest.mark.parametrize("tag", ['"2"', 'W/"1"', '"x"'])
def test_if_match_with_another_version(client: httpx.Client, path: str, tag: str) -> None:
    problem(client.delete(path, headers={"If-Match": tag}), 412, "precondition-failed")
    assert client.get(path).status_code == 200


def test_what_is_not_an_entity_tag(client: httpx.Client, path: str) -> None:
    problem(client.delete(path, headers={"If-Match": "1"}), 400, "invalid-request", "If-Match")


def test_a_stale_tag_of_a_deleted_task(client: httpx.Client, path: str) -> None:
    client.delete(path)
    problem(client.delete(path, headers={"If-Match": '"1"'}), 404, "not-found")

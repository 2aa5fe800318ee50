"""GET /v1/tasks."""

import http.client
import re
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.support.service import Service


def titles(response: httpx.Response) -> list[str]:
    """Return the titles on a page."""
    return [task["title"] for task in response.json()["items"]]


def make(client: httpx.Client, number: int, **fields: str) -> None:
    """Create tasks with the titles 0, 1, …, all at the same time of creation."""
    tasks = [{"title": str(title), **fields} for title in range(number)]
    assert client.post("/v1/tasks/batch", json={"tasks": tasks}).status_code == 201


def follow(client: httpx.Client, response: httpx.Response) -> list[httpx.Response]:
    """Return this page and all that its Link headers lead to."""
    pages = [response]
    while link := pages[-1].headers.get("link"):
        match = re.fullmatch(r'<([^>]+)>; rel="next"', link)
        assert match
        assert parse_qs(urlsplit(match[1]).query)["cursor"] == [pages[-1].json()["next_cursor"]]
        pages.append(client.get(match[1]))
    assert pages[-1].json()["next_cursor"] is None
    return pages


def test_it_works(client: httpx.Client) -> None:
    for title in ("first", "second"):
        created = client.post("/v1/tasks", json={"title": title})
    response = client.get("/v1/tasks")
    assert response.status_code == 200
    assert titles(response) == ["second", "first"]
    assert response.json()["items"][0] == created.json()
    assert response.json()["next_cursor"] is None
    assert "link" not in response.headers


def test_an_empty_list(client: httpx.Client) -> None:
    assert client.get("/v1/tasks").json() == {"items": [], "next_cursor": None}


def test_fifty_a_page_unless_told(client: httpx.Client) -> None:
    make(client, 201)
    assert len(titles(client.get("/v1/tasks"))) == 50
    assert len(titles(client.get("/v1/tasks?limit=200"))) == 200
    assert len(titles(client.get("/v1/tasks?limit=1"))) == 1


@pytest.mark.parametrize(("number", "limit", "pages"), [(7, 3, 3), (6, 3, 2), (3, 3, 1), (1, 1, 1), (5, 1, 5)])
def test_pages_hold_every_task_once(client: httpx.Client, number: int, limit: int, pages: int) -> None:
    make(client, number)
    seen = follow(client, client.get(f"/v1/tasks?limit={limit}"))
    assert len(seen) == pages
    assert [title for page in seen for title in titles(page)] == [str(title) for title in reversed(range(number))]


def test_a_page_does_not_move_when_tasks_come_and_go(client: httpx.Client) -> None:
    make(client, 4)
    first = client.get("/v1/tasks?limit=2")
    client.delete(f"/v1/tasks/{first.json()['items'][1]['id']}")
    client.post("/v1/tasks", json={"title": "new"})
    second = client.get("/v1/tasks", params={"limit": 2, "cursor": first.json()["next_cursor"]})
    assert titles(second) == ["1", "0"]


def test_the_limit_may_change_from_page_to_page(client: httpx.Client) -> None:
    make(client, 5)
    cursor = client.get("/v1/tasks?limit=1").json()["next_cursor"]
    assert titles(client.get("/v1/tasks", params={"cursor": cursor})) == ["3", "2", "1", "0"]


def test_a_link_keeps_the_filters(client: httpx.Client) -> None:
    make(client, 3, status="done")
    make(client, 3, status="failed")
    make(client, 3)
    pages = follow(client, client.get("/v1/tasks?status=done&limit=2&status=failed"))
    assert [len(titles(page)) for page in pages] == [2, 2, 2]
    assert {task["status"] for page in pages for task in page.json()["items"]} == {"done", "failed"}


def test_a_link_is_a_uri_whatever_the_query_held(client: httpx.Client, service: Service) -> None:
    """Python's own client sends a query as it is given, which may be none that RFC 3986 allows."""
    make(client, 3, assignee='a>b"')
    connection = http.client.HTTPConnection("127.0.0.1", service.port)
    headers = {"Authorization": f"Bearer {service.key}"}
    connection.request("GET", '/v1/tasks?limit=1&assignee=a>b"&status=open&', headers=headers)
    link = connection.getresponse().headers["link"]
    connection.close()
    assert re.fullmatch(r'</v1/tasks\?limit=1&assignee=a%3Eb%22&status=open&cursor=[\w-]+>; rel="next"', link)
    second = client.get(link[1 : link.index(">")])
    assert [len(titles(page)) for page in follow(client, second)] == [1, 1]
    assert client.get(second.request.url.raw_path.decode().replace("cursor=", "%63ursor=")).links == second.links


def test_the_order_of_repeated_filters_does_not_matter_to_a_cursor(client: httpx.Client) -> None:
    make(client, 3)
    cursor = client.get("/v1/tasks?limit=1&status=open&status=done").json()["next_cursor"]
    response = client.get(f"/v1/tasks?status=done&status=open&cursor={cursor}")
    assert titles(response) == ["1", "0"]


def test_head_has_the_link_too(client: httpx.Client) -> None:
    make(client, 2)
    head = client.head("/v1/tasks?limit=1")
    assert head.headers["link"] == client.get("/v1/tasks?limit=1").headers["link"]
    assert head.content == b""

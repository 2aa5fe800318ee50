"""CORS_ORIGINS: pages of other origins call the API, and read every answer."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import sync_playwright

from app.dev.postgres import EmbeddedPostgres
from app.http.cross_origin import EXPOSED
from tests.support.browser import CHROMIUM, FLAGS
from tests.support.contract import Contract
from tests.support.raw import connected, exchange, read_all, send
from tests.support.service import Service, fresh_database

BOARD, OTHER, NOBODY = "https://board.example", "http://localhost:3000", "https://evil.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,idempotency-key"}


def serving(postgres: EmbeddedPostgres, folder: Path, origins: str, **options: str) -> Service:
    return Service(fresh_database(postgres), folder / "log", {"CORS_ORIGINS": origins, **options})


@pytest.fixture(scope="module")
def open_to_two(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that pages of BOARD and OTHER may call, with room for one claim of a key that waits."""
    folder = tmp_path_factory.mktemp("open_to_two")
    with serving(postgres, folder, f"{BOARD}, {OTHER}", LONG_POLLS_PER_KEY="1") as running:
        yield running


@pytest.fixture
def page(open_to_two: Service) -> Iterator[httpx.Client]:
    """What a page of BOARD sends."""
    headers = {"Origin": BOARD, "Authorization": f"Bearer {open_to_two.key}"}
    with httpx.Client(base_url=open_to_two.url, headers=headers, timeout=60) as client:
        yield client


def allowed(response: httpx.Response) -> str | None:
    """Return the origin that may read an answer; it is in no more than one header."""
    found = response.headers.get_list("access-control-allow-origin")
    assert len(found) <= 1
    return found[0] if found else None


def test_it_works(page: httpx.Client) -> None:
    preflight = page.options("/v1/tasks", headers=PREFLIGHT)
    assert preflight.status_code == 204
    assert allowed(preflight) == BOARD
    assert preflight.headers["access-control-allow-headers"] == PREFLIGHT["Access-Control-Request-Headers"]
    methods = preflight.headers["access-control-allow-methods"].split(", ")
    assert {"GET", "POST", "PUT", "PATCH", "DELETE"} <= set(methods)
    made = page.post("/v1/tasks", json={"title": "Print"}, headers={"Idempotency-Key": "k"})
    assert made.status_code == 201
    assert allowed(made) == BOARD
    assert made.headers["vary"] == "Origin"
    assert made.headers["access-control-expose-headers"].split(", ") == EXPOSED


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/queues/a%2Fb", "/v1/nope", "/nope", "/metrics"])
def test_a_preflight_needs_no_key_and_no_path_that_there_is(open_to_two: Service, path: str) -> None:
    preflight = httpx.options(open_to_two.url + path, headers=PREFLIGHT | {"Origin": OTHER})
    assert (preflight.status_code, allowed(preflight)) == (204, OTHER)


def test_options_that_are_no_preflight_list_the_methods(page: httpx.Client) -> None:
    response = page.options("/v1/tasks")
    assert (response.headers["allow"], allowed(response)) == ("GET, HEAD, POST, OPTIONS", BOARD)


def test_every_header_that_the_document_names_can_be_read(contract: Contract) -> None:
    operations = [operation for methods in contract.document["paths"].values() for operation in methods.values()]
    answers = [answer for operation in operations for answer in operation["responses"].values()]
    named = {name for answer in answers for name in answer.get("headers", ())}
    assert {"ETag", "Location", "Link", "Idempotency-Replayed"} <= named <= set(EXPOSED)
    assert "Retry-After" in EXPOSED


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("GET", "/v1/tasks", {"Authorization": ""}, 401),
        ("GET", "/v1/tasks", {"Accept": "image/png"}, 406),
        ("GET", "/v1/tasks/01890000-0000-7000-8000-000000000000", {}, 404),
        ("GET", "/v1/nope", {}, 404),
        ("PUT", "/v1/tasks", {}, 405),
        ("POST", "/v1/tasks", {"Content-Type": "text/plain"}, 415),
        ("GET", "/v1/tasks?limit=0", {}, 400),
        ("GET", "/health/ready", {}, 200),
        ("HEAD", "/v1/tasks", {}, 200),
    ],
)
def test_every_answer_can_be_read(
    page: httpx.Client, method: str, path: str, more: dict[str, str], status: int
) -> None:
    response = page.request(method, path, headers=more)
    assert (response.status_code, allowed(response)) == (status, BOARD)


def test_a_refusal_by_a_bound_and_an_event_stream_can_be_read(page: httpx.Client) -> None:
    with page.stream("GET", "/v1/events") as events:
        assert (events.status_code, allowed(events)) == (200, BOARD)

    def wait_for_work() -> httpx.Response:
        claim = {"worker": "w", "ttl_s": 60, "labels": ["none"]}
        return page.post("/v1/tasks/claim", json=claim, headers={"Prefer": "wait=30"})

    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(wait_for_work) for _ in range(2)]
        refused = next(as_completed(calls)).result()
        page.post("/v1/tasks", json={"title": "x", "labels": ["none"]}).raise_for_status()
    assert (refused.status_code, allowed(refused)) == (429, BOARD)
    assert "Retry-After" in refused.headers["access-control-expose-headers"]


HEAD = b"GET /v1/tasks HTTP/1.1\r\nHost: x\r\nOrigin: " + BOARD.encode() + b"\r\n"
REFUSED = {
    "431 of one large field": HEAD + b"Large: " + b"x" * 40_000 + b"\r\n\r\n",
    "431 of many fields": HEAD + b"".join(b"F%d: x\r\n" % n for n in range(200)) + b"\r\n",
    "431 without an end": HEAD + b"Large: " + b"x" * 100_000,
    "400 of two lengths": HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "400 of a bad chunk": HEAD.replace(b"GET", b"POST") + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_of_what_never_reaches_a_route_can_be_read(open_to_two: Service, name: str) -> None:
    answer = exchange(open_to_two, REFUSED[name])
    assert answer.startswith(f"HTTP/1.1 {name[:3]} ".encode()), answer
    assert answer.count(b"access-control-allow-origin: " + BOARD.encode() + b"\r\n") == 1


def test_nobody_else_may(open_to_two: Service) -> None:
    with httpx.Client(base_url=open_to_two.url, timeout=60) as client:
        for origin in (NOBODY, "null", BOARD + ".evil.example", BOARD.upper()):
            for response in (
                client.get("/v1/tasks", headers={"Origin": origin}),
                client.options("/v1/tasks", headers=PREFLIGHT | {"Origin": origin}),
            ):
                assert not [name for name in response.headers if name.startswith("access-control-")]
                assert response.headers["vary"] == "Origin"
    answer = exchange(open_to_two, REFUSED["400 of two lengths"].replace(BOARD.encode(), NOBODY.encode()))
    assert b"access-control-" not in answer


def test_nobody_may_by_default(client: httpx.Client) -> None:
    for response in (
        client.get("/v1/tasks", headers={"Origin": BOARD}),
        client.options("/v1/tasks", headers=PREFLIGHT | {"Origin": BOARD}),
    ):
        assert not [name for name in response.headers if name.startswith("access-control-")]
    assert client.options("/nope", headers=PREFLIGHT | {"Origin": BOARD}).status_code == 404


@pytest.mark.parametrize(("origins", "shown"), [("*", b"*"), (BOARD, BOARD.encode())])
def test_a_refusal_before_the_origin_arrives_can_be_read_where_it_can_be_no_other(
    postgres: EmbeddedPostgres, tmp_path: Path, origins: str, shown: bytes
) -> None:
    with serving(postgres, tmp_path, origins) as service, connected(service) as connection:
        send(connection, b"NONSENSE\r\n\r\n")
        assert b"access-control-allow-origin: " + shown + b"\r\n" in read_all(connection)
        response = httpx.options(f"{service.url}/v1/tasks", headers=PREFLIGHT | {"Origin": BOARD})
        assert allowed(response) == shown.decode()
        assert ("vary" in response.headers) == (origins != "*")


PROGRAM = """
async ([url, key]) => {
    const headers = {Authorization: `Bearer ${key}`, 'Content-Type': 'application/json'};
    const post = body => fetch(`${url}/v1/tasks`, {
        method: 'POST', headers: {...headers, 'Idempotency-Key': 'k'}, body: JSON.stringify(body),
    });
    const events = await fetch(`${url}/v1/events?after=0`, {headers});
    const made = await post({title: 'From a page'});
    const task = await made.json();
    const again = await post({title: 'From a page'});
    const changed = await fetch(url + made.headers.get('Location'), {
        method: 'PATCH', headers: {...headers, 'If-Match': made.headers.get('ETag')},
        body: JSON.stringify({status: 'done'}),
    });
    const refused = await fetch(`${url}/v1/tasks`);
    const reader = events.body.getReader();
    const text = new TextDecoder();
    let seen = '';
    while (!seen.includes('"done"')) seen += text.decode((await reader.read()).value);
    await reader.cancel();
    const claim = () => fetch(`${url}/v1/tasks/claim`, {
        method: 'POST', headers: {...headers, Prefer: 'wait=30'}, body: JSON.stringify({worker: 'w', ttl_s: 60}),
    });
    const crowded = await Promise.race([claim(), claim()]);
    return {
        title: task.title, replayed: again.headers.get('Idempotency-Replayed'), changed: changed.status,
        refused: (await refused.json()).type, crowded: crowded.status, retry: crowded.headers.get('Retry-After'),
        seen: seen.includes(task.id),
    };
}
"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")
def test_a_page_in_a_browser_uses_the_api_and_reads_the_stream(
    postgres: EmbeddedPostgres, service: Service, tmp_path: Path
) -> None:
    """The page is that of another service: its port makes it another origin."""
    with (
        serving(postgres, tmp_path, service.url, LONG_POLLS_PER_KEY="1") as called,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch_persistent_context(
            tmp_path / "profile",
            executable_path=CHROMIUM,
            headless=True,
            args=FLAGS,
            bypass_csp=True,  # the policy of the page that the service happens to have
        )
        page = browser.new_page()
        page.goto(f"{service.url}/problems", timeout=120_000)
        found: dict[str, Any] = page.evaluate(PROGRAM, [called.url, called.key])
        page.goto(f"{called.url.replace('127.0.0.1', 'localhost')}/problems", timeout=120_000)
        blocked = page.evaluate("url => fetch(url).then(() => 'read', () => 'blocked')", f"{called.url}/v1/tasks")
        browser.close()
    assert found["retry"] is not None
    del found["retry"]
    assert found == {
        "title": "From a page",
        "replayed": "true",
        "changed": 200,
        "refused": "/problems/unauthenticated",
        "crowded": 429,
        "seen": True,
    }
    assert blocked == "blocked"

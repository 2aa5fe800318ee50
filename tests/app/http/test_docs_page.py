"""GET /docs, in a real browser."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.support.browser import CHROMIUM, FLAGS
from tests.support.contract import Contract
from tests.support.service import Service

PATIENCE_MS = 120_000


def in_a_browser(test: Any) -> Any:
    """Mark a test that needs Chromium."""
    missing = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")
    return pytest.mark.slow(missing(test))


def test_it_works(anonymous: httpx.Client) -> None:
    response = anonymous.get("/docs")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "://" not in response.text


@pytest.fixture
def show(tmp_path: Path, service: Service) -> Iterator[Callable[..., Page]]:
    """Open the page in a browser with these options; nothing may complain or ask another host."""
    asked: list[str] = []
    complaints: list[str] = []

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)

        def opened(**options: Any) -> Page:
            page = browser.new_context(**options).new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.on("request", lambda request: asked.append(request.url))
            page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.goto(f"{service.url}/docs", timeout=PATIENCE_MS)
            expect(page.locator(".opblock").first).to_be_visible(timeout=PATIENCE_MS)
            return page

        yield opened
        browser.close()
    assert asked
    assert not [url for url in asked if not url.startswith((service.url, "data:", "blob:"))]
    assert complaints == []


def expand(page: Page, operation: str) -> Locator:
    """Open the description of a call and return it."""
    block = page.locator(f"[id$='-{operation}'].opblock")
    block.locator(".opblock-summary-control").click()
    expect(block.locator(".responses-table").first).to_be_visible(timeout=PATIENCE_MS)
    return block


def authorize(page: Page, key: str) -> None:
    """Paste a key."""
    page.locator("button.authorize").click()
    page.locator(".auth-container input").fill(key)
    page.locator(".auth-btn-wrapper .authorize").click()
    page.locator(".btn-done").click()


@in_a_browser
def test_the_page_shows_every_call(show: Callable[..., Page], contract: Contract) -> None:
    page = show()
    operations = [operation for methods in contract.document["paths"].values() for operation in methods.values()]
    expect(page.locator(".opblock")).to_have_count(len(operations), timeout=PATIENCE_MS)
    text = page.locator("#docs").inner_text()
    assert not [operation["summary"] for operation in operations if operation["summary"] not in text]


@in_a_browser
def test_calls_work_at_the_first_click(show: Callable[..., Page], service: Service, client: httpx.Client) -> None:
    """Nothing that the reader did not choose is sent: no filters, headers or cursors of the examples."""
    client.post("/v1/tasks", json={"title": "Count stock", "labels": ["print"]}).raise_for_status()
    page = show()
    authorize(page, service.key)
    for operation, path, status in (
        ("listTasks", "/v1/tasks", 200),
        ("listLeases", "/v1/leases", 200),
        ("claimTasks", "/v1/tasks/claim", 200),
        ("createTask", "/v1/tasks", 201),
        ("putQueue", "/v1/queues/print", 201),
    ):
        block = expand(page, operation)
        block.locator(".try-out__btn").click()
        with page.expect_response(f"{service.url}/v1/**") as answered:
            block.locator(".execute").click()
        answer = answered.value
        assert (answer.url, answer.status) == (f"{service.url}{path}", status)
        sent = answer.request.all_headers()
        assert not {"idempotency-key", "if-match", "if-none-match", "prefer", "last-event-id"} & sent.keys()
    client.delete("/v1/queues/print")


@in_a_browser
def test_the_stream_has_a_curl_line_and_no_button(show: Callable[..., Page], service: Service) -> None:
    block = expand(show(), "streamEvents")
    expect(block.locator(".try-out__btn")).to_have_count(0)
    assert f'"{service.url}/v1/events?after=0"' in block.inner_text()


@in_a_browser
@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_everybody_can_read_it(show: Callable[..., Page], service: Service, colours: str, width: int) -> None:
    page = show(viewport={"width": width, "height": 844}, color_scheme=colours)
    authorize(page, service.key)
    for operation in ("createTask", "updateTask", "streamEvents", "getQueue", "putQueue", "deleteTask"):
        expand(page, operation)
    violations = Axe().run(page).response["violations"]
    assert [(violation["id"], violation["nodes"][0]["html"]) for violation in violations] == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    background = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (background == "rgb(28, 32, 34)") == (colours == "dark")

"""A browser for the tests of the board, and a page of it with a key that may do everything."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.support.browser import CHROMIUM, FLAGS
from tests.support.service import Service

WITHIN_MS = 60_000
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for the tests of a file; with Playwright's synchronous calls, no other file may run beside it."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser profile of its own, with no cookie and no key."""
    expect.set_options(timeout=WITHIN_MS)
    profile = browser.new_context(viewport={"width": 1200, "height": 800}, locale="en-GB", timezone_id="UTC")
    profile.set_default_timeout(WITHIN_MS)
    yield profile
    profile.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained about; `open_board` fills it."""
    return []


@pytest.fixture
def open_board(
    context: BrowserContext, service: Service, client: httpx.Client, complaints: list[str], tmp_path: Path
) -> Iterator[Open]:
    """Open the board at an address with a key; after the test, nothing is in the console but failed calls."""

    def open_at(query: str = "", key: str | None = None, url: str = service.url) -> Page:
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                complaints.append(message.text)
                if message.type == "error" and "Failed to load resource" not in message.text
                else None
            ),
        )
        page.goto(f"{url}/board{query}")
        sign_in(page, key or service.key)
        expect(page.locator("#live")).to_have_text("Live")
        return page

    yield open_at
    for number, page in enumerate(context.pages):
        page.screenshot(path=tmp_path / f"{number}.png")
    assert complaints == []


def sign_in(page: Page, key: str) -> None:
    """Type a key and send it."""
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()

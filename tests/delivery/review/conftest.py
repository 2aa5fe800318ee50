"""A real browser, for the tests of the page."""

from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.browser import CHROMIUM, FLAGS

MEASURED = "Rendering was performed in a subtree hidden by content-visibility"
"""Chromium's remark when a test asks about what is closed or filtered out."""
VIEWS: list[tuple[int, Literal["light", "dark"]]] = [(1200, "light"), (1200, "dark"), (390, "light"), (390, "dark")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(params=VIEWS, ids=lambda view: f"{view[0]}-{view[1]}")
def tab(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A tab in which nothing may be asked for but the file, and nothing may be complained of."""
    width, scheme = request.param
    asked: list[str] = []
    complaints: list[str] = []
    with browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme) as context:
        opened = context.new_page()
        opened.on("request", lambda each: asked.append(each.url))
        opened.on("console", lambda each: complaints.append(each.text))
        opened.on("pageerror", lambda each: complaints.append(str(each)))
        yield opened
    assert asked
    assert [url for url in asked if not url.startswith("file:")] == []
    assert [text for text in complaints if not text.startswith(MEASURED)] == []

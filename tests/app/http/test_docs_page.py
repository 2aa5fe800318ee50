"""GET /docs, in a real browser."""

import shutil
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Request, expect, sync_playwright

from tests.support.contract import Contract
from tests.support.service import Service

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def test_it_works(anonymous: httpx.Client) -> None:
    response = anonymous.get("/docs")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "://" not in response.text


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")
def test_the_page_shows_every_call_and_asks_no_other_host(service: Service, contract: Contract, tmp_path: Path) -> None:
    asked: list[str] = []
    complaints: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            tmp_path / "profile", executable_path=CHROMIUM, headless=True, args=FLAGS
        )
        page = browser.new_page()
        page.on("request", note)
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{service.url}/docs", timeout=120_000)
        operations = [operation for methods in contract.document["paths"].values() for operation in methods.values()]
        expect(page.locator(".opblock")).to_have_count(len(operations), timeout=120_000)
        text = page.locator("#docs").inner_text()
        page.screenshot(path=tmp_path / "docs.png", full_page=True)
        browser.close()
    assert not [operation["summary"] for operation in operations if operation["summary"] not in text]
    assert asked
    assert not [url for url in asked if not url.startswith((service.url, "data:", "blob:"))]
    assert complaints == []

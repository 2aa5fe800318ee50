"""What tests do with a page in a browser."""

from pathlib import Path

from playwright.sync_api import Page


def show(tab: Page, path: Path, text: str) -> None:
    path.write_text(text)
    tab.goto(path.as_uri(), timeout=120_000)


def no_sideways_scrolling(tab: Page) -> bool:
    return bool(tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))

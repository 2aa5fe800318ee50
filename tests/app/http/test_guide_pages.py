"""GET /docs/guides and /docs/guides/{name}: what docs/guides/ has, as pages."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.contract import problem

GUIDES = sorted(path.stem for path in Path(__file__).parents[3].glob("docs/guides/*.md") if path.name != "README.md")


def links(page: str) -> Iterator[str]:
    """Yield where the links of a page lead."""
    yield from re.findall(r'<a href="([^"]+)"', page)


def test_it_works(anonymous: httpx.Client) -> None:
    page = anonymous.get("/docs/guides")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert {f"/docs/guides/{name}" for name in GUIDES} <= set(links(page.text))
    assert "/docs/guides" in links(anonymous.get("/docs").text)


@pytest.mark.parametrize("name", GUIDES)
def test_a_guide_is_a_page_whose_links_work(anonymous: httpx.Client, name: str) -> None:
    page = anonymous.get(f"/docs/guides/{name}")
    assert page.status_code == 200
    assert "<pre" in page.text
    assert "<title>" in page.text
    for link in links(page.text):
        assert link.startswith("/")
        assert anonymous.get(link).status_code == 200, link


@pytest.mark.parametrize("name", ["nope", "errors.md", "%2e%2e%2fREADME", "%00"])
def test_any_other_name_is_404(anonymous: httpx.Client, name: str) -> None:
    problem(anonymous.get(f"/docs/guides/{name}"), 404, "not-found")

"""GET /favicon.svg, and /favicon.ico for pages that link to none."""

import re
from importlib.resources import files

import httpx
import pytest


@pytest.mark.parametrize("path", ["/favicon.svg", "/favicon.ico"])
def test_it_works(anonymous: httpx.Client, path: str) -> None:
    response = anonymous.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"] == "image/svg+xml"
    assert response.headers["cache-control"] == "max-age=86400, public"
    assert response.content == files("app.http").joinpath("favicon.svg").read_bytes()


@pytest.mark.parametrize("page", ["/docs", "/problems", "/problems/not-found"])
def test_every_page_links_to_it(anonymous: httpx.Client, page: str) -> None:
    [icon] = re.findall(r'<link rel="icon"[^>]* href="([^"]+)"', anonymous.get(page).text)
    assert anonymous.get(icon).headers["content-type"] == "image/svg+xml"

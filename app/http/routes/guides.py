"""GET /docs/guides: the guides of docs/guides/ as pages."""

import re
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from litestar import MediaType, Router, get
from litestar.params import FromPath

from app.http.html_page import POLICY, html_page
from app.problems import Problem

_OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./[^)]+\)")
"""A link to a document that is no guide, and is not served."""
_GUIDE = re.compile(r"\]\(([\w-]+)\.md(?:#[\w-]+)?\)")


def _folder() -> Traversable:
    """Return the folder of the guides: the image has them in the package, a checkout in docs/."""
    packaged = files("app.http") / "guides"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "docs/guides"


@cache
def _pages() -> dict[str, str]:
    """Return the HTML of each guide by name; the list of guides is README."""
    from markdown_it import MarkdownIt  # takes 50 ms, and few ask

    markdown = MarkdownIt("commonmark").enable("table")
    pages = {}
    for file in _folder().iterdir():
        name, _, kind = file.name.partition(".")
        if kind == "md":
            text = _GUIDE.sub(r"](/docs/guides/\1)", _OUTSIDE.sub(r"\1", file.read_text("utf-8")))
            body = markdown.render(text).replace("<pre>", '<pre tabindex="0">')
            links = '<p><a href="/docs">Reference</a> · <a href="/docs/guides">Guides</a>'
            pages[name] = html_page(text.partition("\n")[0].removeprefix("# "), f"{links}\n{body}")
    return pages


@get("/", media_type=MediaType.HTML, opt={"policy": POLICY}, include_in_schema=False, sync_to_thread=True)
def index() -> str:
    """List the guides."""
    return _page("README")


@get("/{name:str}", media_type=MediaType.HTML, opt={"policy": POLICY}, include_in_schema=False, sync_to_thread=True)
def guide(name: FromPath[str]) -> str:
    """Show a guide."""
    return _page(name)


def _page(name: str) -> str:
    if name not in _pages():
        raise Problem("not-found", f"There is no guide {name!r}. They are listed at /docs/guides.")
    return _pages()[name]


router = Router("/docs/guides", route_handlers=[index, guide])

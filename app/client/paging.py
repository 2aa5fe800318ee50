"""Follows the pages of a list."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from app.client.api import Api
from app.client.ask import ask

PAGE = 200
"""The most items that the API puts into a page."""


class Page(msgspec.Struct):
    """A page of a list, its items as the API sent them."""

    items: list[msgspec.Raw]
    next_cursor: str | None


async def pages(api: Api, path: str, params: Mapping[str, Any], limit: int) -> AsyncIterator[Page]:
    """Yield pages until they hold `limit` items together, or the list ends.

    Raises RefusedError, NoVerdictError.
    """
    cursor: dict[str, str] = {}
    while limit > 0:
        page: Page = await ask(api, "GET", path, answer=Page, params={**params, "limit": min(limit, PAGE), **cursor})
        yield page
        if page.next_cursor is None:
            return
        limit -= len(page.items)
        cursor = {"cursor": page.next_cursor}


async def first(api: Api, path: str, params: Mapping[str, Any], limit: int) -> Page:
    """Return the first `limit` items of a list as one page.

    Raises RefusedError, NoVerdictError.
    """
    whole = Page([], None)
    async for page in pages(api, path, params, limit):
        whole = Page(whole.items + page.items, page.next_cursor)
    return whole

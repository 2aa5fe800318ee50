"""`taskpulse tasks export`: every task that matches, as lines of JSON."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import msgspec

from app.client.answers import CALL_ERRORS, reason_of
from app.client.api import Api
from app.client.ask import ask

NDJSON = "application/x-ndjson"


class _Total(msgspec.Struct):
    total: int


class IncompleteError(Exception):
    """The connection ended before the last task."""


async def total(api: Api, params: Mapping[str, Any]) -> int:
    """Return how many tasks match.

    Raises RefusedError, NoVerdictError.
    """
    found: _Total = await ask(api, "GET", "tasks", answer=_Total, params={**params, "count": "true", "limit": 1})
    return found.total


async def export(api: Api, params: Mapping[str, Any]) -> AsyncGenerator[bytes, None]:
    """Yield the tasks in pieces of whole lines, as the API sends them.

    Raises RefusedError and NoVerdictError before the first piece, and IncompleteError after it.
    """
    rest = b""
    async with api.stream("tasks", params=params, accept=NDJSON) as response:
        try:
            async for piece in response.aiter_bytes():
                lines, end, rest = (rest + piece).rpartition(b"\n")
                if end:
                    yield lines + end
        except CALL_ERRORS as error:
            raise IncompleteError(reason_of(error)) from None
    if rest:
        raise IncompleteError("the last line has no end")

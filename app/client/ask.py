"""Calls that a person waits for: one try, and a few more only where the API names the time for them."""

import asyncio
import time
from typing import Any

import msgspec

from app.client.answers import NoVerdictError
from app.client.api import Api

PATIENCE_S = 10.0
"""Seconds for which a call is tried again, as long as the answers say when (Retry-After)."""


async def ask(
    api: Api,
    method: str,
    path: str,
    *,
    answer: Any = msgspec.Raw,
    json: Any = None,
    params: Any = None,
    headers: dict[str, str] | None = None,
) -> Any:
    """Return the JSON of a 2xx answer as the type `answer`. A msgspec.Raw in `json` is sent as it is.

    Raises RefusedError for the API's own 4xx, and NoVerdictError for anything else; a subclass of it where nothing
    answers.
    """
    content, headers = None, dict(headers or {})
    if json is not None:
        content, headers["Content-Type"] = msgspec.json.encode(json), "application/json"
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await api.once(method, path, answer=answer, content=content, params=params, headers=headers)
        except NoVerdictError as error:
            if not error.retry_after_s or time.monotonic() + error.retry_after_s > until:
                raise
            await asyncio.sleep(error.retry_after_s)

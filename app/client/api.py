"""A client of the API that retries with backoff while the API is away."""

import asyncio
import random
import sys
import time
from types import TracebackType
from typing import Any, Self

import httpx

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
"""Well under the 30 s that a restart of the database grants to every lease."""
READ_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0


def _timeout(wait_s: float) -> httpx.Timeout:
    """Return the timeouts of a call that the service may answer `wait_s` seconds late."""
    return httpx.Timeout(READ_TIMEOUT_S + wait_s, connect=CONNECT_TIMEOUT_S)


class AwayError(Exception):
    """The API could not be reached in time."""


class RefusedError(Exception):
    """The API refused a call; the message is that of the API."""

    def __init__(self, response: httpx.Response) -> None:
        try:
            problem = response.json()
        except ValueError:
            problem = {}
        self.status = response.status_code
        self.problem = str(problem.get("type", "")).rpartition("/")[2]
        super().__init__(printable(f"{response.status_code}: {problem.get('detail') or response.reason_phrase}"))


def may_retry(refusal: RefusedError) -> bool:
    """Return whether the same call may succeed later."""
    passing = refusal.status >= 500 or refusal.status in (408, 429)
    return passing or refusal.problem == "idempotency-in-progress"


def printable(text: str) -> str:
    """Return text without control characters, which a terminal would interpret."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def say(message: str) -> None:
    """Print a message on standard error."""
    print(f"taskpulse: {printable(message)}", file=sys.stderr, flush=True)


class Api:
    """Calls the API with a key; an asynchronous context manager."""

    def __init__(self, url: str, key: str) -> None:
        self._client = httpx.AsyncClient(
            base_url=f"{url.rstrip('/')}/v1/",
            headers={"Authorization": f"Bearer {key}"},
            timeout=_timeout(0),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Any = None,
        headers: dict[str, str] | None = None,
        wait_s: float = 0,
        patience_s: float = float("inf"),
    ) -> Any:
        """Return the JSON of a 2xx answer, None where it has none.

        Retries after a 5xx, a 408, a 429 or no response, with exponential backoff and jitter, or after `Retry-After`.
        The server may take `wait_s` longer than usual.
        Raises AwayError after `patience_s`, RefusedError for any other 4xx.
        """
        started, pause, told = time.monotonic(), FIRST_PAUSE_S, False
        while True:
            asked_for = 0.0
            try:
                response = await self._client.request(
                    method, path, json=json, params=params, headers=headers, timeout=_timeout(wait_s)
                )
            except httpx.TransportError as error:
                reason = str(error) or type(error).__name__
            else:
                if response.is_success:
                    return response.json() if response.content else None
                refusal = RefusedError(response)
                if not may_retry(refusal):
                    raise refusal
                reason, asked_for = str(refusal), _seconds(response.headers.get("retry-after"))
            delay = min(max(asked_for, pause * random.uniform(0.5, 1.5)), LONGEST_PAUSE_S)  # noqa: S311 - no secret
            if time.monotonic() + delay - started > patience_s:
                raise AwayError(reason)
            if not told:
                say(f"the API does not answer ({reason}); trying again until it does")
                told = True
            await asyncio.sleep(delay)
            pause = min(pause * 2, LONGEST_PAUSE_S)


def _seconds(retry_after: str | None) -> float:
    return float(retry_after) if retry_after and retry_after.isdigit() else 0.0

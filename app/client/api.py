"""A client of the API that retries, with backoff, whatever is not the API's own verdict."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import msgspec

from app.client.answers import (
    CALL_ERRORS,
    NOT_DECODED,
    NoVerdictError,
    UnreachableError,
    media_type,
    no_verdict,
    reason_of,
    summary,
    verdict_of,
)
from app.client.backoff import Backoff
from app.client.clock import ServerClock
from app.client.key import Key
from app.client.output import printable, say

T = TypeVar("T")

READ_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0
REMIND_EVERY_S = 300.0
"""Seconds after which a call that still has no verdict says so again."""


class AwayError(Exception):
    """The API gave no verdict in time."""


class SetupError(Exception):
    """The environment leads to no client, as SSL_CERT_FILE or HTTPS_PROXY is wrong; no call can be made."""


def http_client(url: str, **options: Any) -> httpx.AsyncClient:
    """Return a client of the API at `url`.

    Raises SetupError.
    """
    try:
        return httpx.AsyncClient(base_url=f"{url.rstrip('/')}/v1/", **options)
    except (OSError, ImportError, ValueError, httpx.InvalidURL) as error:
        raise SetupError(
            f"no connection can be made ({printable(str(error))}); see SSL_CERT_FILE, SSL_CERT_DIR, HTTP_PROXY, "
            "HTTPS_PROXY, ALL_PROXY and NO_PROXY"
        ) from None


class Api:
    """Calls the API with a key; an asynchronous context manager.

    Raises SetupError.
    """

    def __init__(self, url: str, key: Key) -> None:
        self.clock = ServerClock()
        self.url = url
        self._key = key
        self._client = http_client(url, timeout=READ_TIMEOUT_S, event_hooks=self.clock.hooks())

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
        answer: Any,
        json: Any = None,
        params: Any = None,
        headers: dict[str, str] | None = None,
        within_s: float = READ_TIMEOUT_S,
        patience_s: float = float("inf"),
        backoff: Backoff | None = None,
        quiet: bool = False,
    ) -> Any:
        """Return the JSON of a 2xx answer as the type `answer`; None for an empty 204.

        Retries, with backoff, until the API gives a verdict: after no response within `within_s`, a status that asks
        for it, and any answer that is not of this API; says so unless `quiet`. A 401 has the key read again.
        Raises AwayError when the next try would come after `patience_s`, RefusedError for the API's own 4xx.
        """
        request = {"json": json, "params": params, "headers": headers or {}}
        return await self.retry(
            lambda: self._try(method, path, request, answer, within_s),
            patience_s=patience_s,
            backoff=backoff or Backoff(),
            quiet=quiet,
        )

    async def once(
        self,
        method: str,
        path: str,
        *,
        answer: Any,
        json: Any = None,
        content: bytes | None = None,
        params: Any = None,
        headers: dict[str, str] | None = None,
        within_s: float = READ_TIMEOUT_S,
    ) -> Any:
        """Make a call as `call` does, but only once; `content` is a body as it is sent, instead of `json`.

        Raises NoVerdictError, RefusedError.
        """
        request = {"json": json, "content": content, "params": params, "headers": headers or {}}
        return await self._try(method, path, request, answer, within_s)

    @contextlib.asynccontextmanager
    async def stream(self, path: str, *, params: Any, accept: str) -> AsyncIterator[httpx.Response]:
        """Open the answer to a GET, to be read as it comes; only an answer of the media type `accept` is one.

        Raises NoVerdictError, RefusedError; while it is read, CALL_ERRORS.
        """
        headers = {"Authorization": f"Bearer {self._key.text}", "Accept": accept}
        opening = self._client.stream("GET", path, params=params, headers=headers)
        async with contextlib.AsyncExitStack() as stack:
            try:
                response = await stack.enter_async_context(opening)
                if not response.is_success or media_type(response) != accept:
                    await response.aread()
            except CALL_ERRORS as error:
                raise UnreachableError(reason_of(error)) from None
            if not response.is_success:
                raise verdict_of(response) or no_verdict(response)
            if media_type(response) != accept:
                raise NoVerdictError(summary(response))
            yield response

    async def retry(
        self, attempt: Callable[[], Awaitable[T]], *, patience_s: float, backoff: Backoff, quiet: bool = False
    ) -> T:
        """Return what `attempt` returns, once it raises no NoVerdictError.

        Raises AwayError when the next try would come after `patience_s`; what else `attempt` raises.
        """
        started, told_at = time.monotonic(), None
        while True:
            try:
                return await attempt()
            except NoVerdictError as error:
                reason, delay = error, backoff.next(error.retry_after_s)
            now = time.monotonic()
            if now + delay - started > patience_s:
                raise AwayError(f"{self.url} does not answer ({reason})")
            if not quiet and (told_at is None or now - told_at > REMIND_EVERY_S):
                say(f"{self.url} does not answer ({reason}); trying again until it does")
                told_at = now
            await asyncio.sleep(delay)

    async def _try(self, method: str, path: str, request: dict[str, Any], answer: Any, within_s: float) -> Any:
        response = await self._response(method, path, request, within_s)
        if response.status_code == 401 and self._key.reread():
            response = await self._response(method, path, request, within_s)
        if response.is_success:
            found = _content(response, answer)
            self._key.accepted = True
            return found
        refusal = verdict_of(response)
        if refusal is None or (refusal.status == 401 and self._key.accepted):
            raise no_verdict(response)
        self._key.accepted = refusal.status != 401
        raise refusal

    async def _response(self, method: str, path: str, request: dict[str, Any], within_s: float) -> httpx.Response:
        headers = {**request["headers"], "Authorization": f"Bearer {self._key.text}"}
        timeout = httpx.Timeout(within_s, connect=min(within_s, CONNECT_TIMEOUT_S))
        try:
            async with asyncio.timeout(within_s + CONNECT_TIMEOUT_S):  # for an answer that comes in drops
                return await self._client.request(method, path, **{**request, "headers": headers}, timeout=timeout)
        except TimeoutError:
            raise UnreachableError(f"no answer within {within_s:.0f} s") from None
        except CALL_ERRORS as error:
            raise UnreachableError(reason_of(error)) from None


def _content(response: httpx.Response, answer: Any) -> Any:
    """Return what a 2xx answer holds.

    Raises NoVerdictError where it is not what the API answers.
    """
    try:
        if response.status_code == 204:
            return msgspec.convert(None, answer)
        if media_type(response) == "application/json":
            return msgspec.json.decode(response.content, type=answer)
    except NOT_DECODED:
        pass
    raise NoVerdictError(summary(response))

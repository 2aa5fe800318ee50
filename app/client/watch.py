"""`taskpulse watch`: the stream of events in a terminal, a line for each."""

import asyncio
import contextlib
import io
import json
import random
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from app.client.api import CONNECT_TIMEOUT_S, FIRST_PAUSE_S, LONGEST_PAUSE_S, RefusedError, may_retry, printable, say

SILENCE_S = 40.0
"""Seconds without a byte after which the connection counts as dead: more than two heartbeats."""
SHOWN = 60
"""Characters of a value that are shown."""


@dataclass(frozen=True)
class Block:
    """A block of the stream; `data` is None where it holds only an id."""

    id: str | None
    event: str
    data: str | None


async def lines(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
    """Yield lines that end in LF or CR LF; httpx also splits at U+0085 and U+2028, which titles may contain."""
    rest = ""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split("\n")
        for line in whole:
            yield line.removesuffix("\r")


async def blocks(lines: AsyncIterator[str]) -> AsyncIterator[Block]:
    """Yield the blocks of an event stream (WHATWG HTML, section 9.2.6)."""
    event_id, event, data = None, "message", list[str]()
    async for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            yield Block(event_id, event, "\n".join(data) if data else None)
            event_id, event, data = None, "message", []
        elif name == "id":
            event_id = value
        elif name == "event":
            event = value
        elif name == "data":
            data.append(value)


def in_words(change: Mapping[str, Any]) -> str:
    """Return an event as a line for people, without control characters."""
    actor = change["actor"]
    who = (actor["name"] or actor["key_id"]) if actor else "taskpulse"
    title = _short(change["title"] or "-")
    line = f"{change['at'][:19]}Z  {change['action']:9}  {change['task_id']}  {title}  by {_short(who)}"
    before, after = change["before"] or {}, change["after"] or {}
    if change["action"] in ("created", "deleted"):
        return printable(line)
    changes = (f"{name}: {_side(before, name)} -> {_side(after, name)}" for name in {**before, **after})
    return printable(f"{line}  ({', '.join(changes)})")


def _side(side: Mapping[str, Any], name: str) -> str:
    return _short(json.dumps(side[name], ensure_ascii=False)) if name in side else "-"


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


class Watch:
    """Follows the stream, and resumes after the last event whenever the connection ends."""

    def __init__(self, url: str, key: str, filters: Mapping[str, Sequence[str]], after: str | None) -> None:
        self._filters = {name: list(values) for name, values in filters.items() if values}
        self._last_id = after
        self._client = httpx.AsyncClient(
            base_url=f"{url.rstrip('/')}/v1/",
            headers={"Authorization": f"Bearer {key}", "Accept": "text/event-stream"},
            timeout=httpx.Timeout(SILENCE_S, connect=CONNECT_TIMEOUT_S),
        )

    async def events(self) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Yield name and data of each event, for ever.

        Raises RefusedError for a 4xx.
        """
        pause, told = FIRST_PAUSE_S, False
        async with self._client:
            while True:
                reason = "the stream ended"
                try:
                    async with self._client.stream("GET", "events", **self._where()) as response:
                        if response.is_success and not _is_stream(response):
                            reason = f"{response.url} is no stream of events; is --url right?"
                            told = _tell(reason, told=told)
                        elif response.is_success:
                            if told:
                                say("the API is back")
                            pause, told = FIRST_PAUSE_S, False
                            async for block in blocks(lines(response.aiter_text())):
                                if block.data is not None:
                                    yield block.event, json.loads(block.data)
                                self._last_id = block.id or self._last_id
                        else:
                            await response.aread()
                            refusal = RefusedError(response)
                            if not may_retry(refusal):
                                raise refusal
                            reason = str(refusal)
                            told = _tell(reason, told=told)
                except httpx.TransportError as error:
                    told = _tell(str(error) or type(error).__name__, told=told)
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
                pause = min(pause * 2, LONGEST_PAUSE_S)

    def _where(self) -> dict[str, Any]:
        return {"params": self._filters | ({"after": self._last_id} if self._last_id else {})}


def _is_stream(response: httpx.Response) -> bool:
    return str(response.headers.get("content-type", "")).startswith("text/event-stream")


def _tell(reason: str, *, told: bool) -> bool:
    if not told:
        say(f"the API does not answer ({reason}); trying again until it does")
    return True


async def watch(url: str, key: str, filters: Mapping[str, Sequence[str]], after: str | None, *, as_json: bool) -> None:
    """Print every event until SIGINT or SIGTERM, or until nobody reads what is printed.

    Raises RefusedError when the API refuses.
    """

    async def follow() -> None:
        async for name, data in Watch(url, key, filters, after).events():
            if name == "reset":
                say(f"events are missing ({data['reason']}): read the tasks anew; going on with what there is")
            if as_json:
                print(json.dumps({"event": name, **data}), flush=True)
            elif name == "message":
                print(in_words(data), flush=True)

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a title may hold what the terminal's encoding lacks
    following = asyncio.create_task(follow())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, following.cancel)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await following
    except BrokenPipeError:
        sys.stdout = None  # otherwise the interpreter flushes it at exit, and complains

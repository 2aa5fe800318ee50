"""`taskpulse watch`: the stream of events in a terminal, a line for each."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from app.client.answers import CALL_ERRORS, NOT_DECODED, NoVerdictError, media_type, no_verdict, reason_of, verdict_of
from app.client.api import CONNECT_TIMEOUT_S, http_client
from app.client.backoff import Backoff
from app.client.key import Key
from app.client.output import CHECK_EVERY_S, printable, say, streams
from app.client.signals import on_stop

SILENCE_S = 40.0
"""Seconds without a byte after which the connection counts as dead: more than two heartbeats."""
NOT_ASCII = re.compile(r"[^\x00-\x7f]")
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


class _Actor(msgspec.Struct):
    key_id: str
    name: str | None


class Change(msgspec.Struct):
    """What of an event is shown to people."""

    task_id: str
    title: str | None
    at: str
    action: str
    actor: _Actor | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(frozen=True)
class Event:
    """A change, or a `reset`, as the API sent it."""

    id: str | None
    name: str
    data: dict[str, Any]
    members: dict[str, msgspec.Raw]
    """The same as JSON, numbers to the last digit."""
    change: Change | None
    """What it is for people; None for a `reset`."""

    def as_json(self) -> str:
        """Return it as one line of ASCII."""
        parts = {"event": json.dumps(self.name), "id": json.dumps(self.id)}
        parts |= {name: bytes(value).decode() for name, value in self.members.items()}
        line = ", ".join(f"{json.dumps(name)}: {value}" for name, value in parts.items()).replace("\n", " ")
        return f"{{{NOT_ASCII.sub(_escaped, line)}}}"


def _escaped(match: re.Match[str]) -> str:
    """Return a letter as JSON in ASCII: outside of a string there is none to escape."""
    return json.dumps(match[0])[1:-1]


def in_words(change: Change) -> str:
    """Return a change as a line for people, without control characters."""
    who = (change.actor.name or change.actor.key_id) if change.actor else "taskpulse"
    title = _short(change.title or "-")
    line = f"{change.at[:19]}Z  {change.action:9}  {change.task_id}  {title}  by {_short(who)}"
    before, after = change.before or {}, change.after or {}
    if change.action in ("created", "deleted"):
        return printable(line)
    changes = (f"{name}: {_side(before, name)} -> {_side(after, name)}" for name in {**before, **after})
    return printable(f"{line}  ({', '.join(changes)})")


def _side(side: Mapping[str, Any], name: str) -> str:
    return _short(json.dumps(side[name], ensure_ascii=False)) if name in side else "-"


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


class Watch:
    """Follows the stream, and resumes after the last event whenever the connection ends."""

    def __init__(self, url: str, key: Key, filters: Mapping[str, Sequence[str]], after: str | None) -> None:
        self._filters = {name: list(values) for name, values in filters.items() if values}
        self._key = key
        self._last_id = after
        self._url = url
        self._connected = False
        self._told = False
        self._backoff = Backoff()
        self._client = http_client(
            url,
            headers={"Accept": "text/event-stream"},
            timeout=httpx.Timeout(SILENCE_S, connect=CONNECT_TIMEOUT_S),
        )

    async def events(self) -> AsyncIterator[Event]:
        """Yield each event, for ever.

        Raises RefusedError for the API's own 4xx; whatever else comes is retried, with backoff.
        """
        async with self._client:
            while True:
                retry_after_s = 0.0
                try:
                    async for block in self._blocks():
                        if block.data is not None:
                            yield _event(block.id, block.event, block.data)
                        self._last_id = block.id or self._last_id
                except NoVerdictError as error:
                    retry_after_s = error.retry_after_s
                    self._tell(str(error))
                except CALL_ERRORS as error:
                    self._tell(reason_of(error))
                await asyncio.sleep(self._backoff.next(retry_after_s))

    async def _blocks(self) -> AsyncIterator[Block]:
        parameters = self._filters | ({"after": self._last_id} if self._last_id else {})
        headers = {"Authorization": f"Bearer {self._key.text}"}
        async with self._client.stream("GET", "events", params=parameters, headers=headers) as response:
            if not response.is_success:
                await response.aread()
                refusal = verdict_of(response)
                if refusal is None or (refusal.status == 401 and (self._key.reread() or self._key.accepted)):
                    raise no_verdict(response)
                raise refusal
            if media_type(response) != "text/event-stream":
                raise NoVerdictError(f"{response.url} is no stream of events; is --url right?")
            if self._told:
                say(f"{self._url} is back")
            elif not self._connected:
                say(f"connected to {self._url}; changes follow")
            self._key.accepted, self._connected, self._told = True, True, False
            async for block in blocks(lines(response.aiter_text())):
                self._backoff = Backoff()
                yield block

    def _tell(self, reason: str) -> None:
        if not self._told:
            say(f"{self._url} does not answer ({reason}); trying again until it does")
        self._told = True


def _event(event_id: str | None, name: str, data: str) -> Event:
    """Return the event that a block holds.

    Raises NoVerdictError where it is none of this API.
    """
    try:
        members = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        value = json.loads(data)
        change = msgspec.convert(value, Change) if name == "message" else None
    except NOT_DECODED:
        raise NoVerdictError("an event is not one of this API") from None
    return Event(event_id, name, value, members, change)


class OutputError(Exception):
    """Standard output cannot be written."""


async def watch(url: str, key: Key, filters: Mapping[str, Sequence[str]], after: str | None, *, as_json: bool) -> None:
    """Print every event until a signal asks for the end, or until nobody reads what is printed.

    A slow reader is waited for. Raises RefusedError when the API refuses, OutputError when nothing can be printed, and
    SetupError.
    """
    ours = streams()
    if ours.closed:
        raise OutputError("standard output is closed, so no event can be printed")

    async def follow() -> None:
        async for event in Watch(url, key, filters, after).events():
            if event.name == "reset":
                reason = event.data.get("reason")
                say(f"events are missing ({reason}): read the tasks again; the events that are left follow")
            if as_json:
                print(event.as_json())
            elif event.change is not None:
                print(in_words(event.change))
            while ours.output.behind:  # noqa: ASYNC110 - a thread makes room
                await asyncio.sleep(CHECK_EVERY_S)

    following = asyncio.create_task(follow())
    on_stop(lambda _: following.cancel())
    loop = asyncio.get_running_loop()
    ours.output.on_error = lambda: loop.is_closed() or loop.call_soon_threadsafe(following.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await following

    if ours.output.error is not None and not isinstance(ours.output.error, BrokenPipeError):
        raise OutputError(f"standard output cannot be written: {ours.output.error.strerror}")

"""Calls about queues, as `taskpulse queues` makes them."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec

from app.client.answers import RefusedError
from app.client.api import Api
from app.client.ask import ask
from app.client.conditional import change, if_match


class Rules(msgspec.Struct, frozen=True):
    """The rules of a queue; PUT replaces all of them."""

    paused: bool = False
    max_leases: int | None = None
    ready_within_s: int | None = None


class Queue(msgspec.Struct):
    """The queue of a label."""

    label: str
    paused: bool
    paused_at: datetime | None
    max_leases: int | None
    ready_within_s: int | None
    created_at: datetime
    updated_at: datetime
    version: int

    @property
    def rules(self) -> Rules:
        """The rules alone."""
        return Rules(self.paused, self.max_leases, self.ready_within_s)


class Figures(msgspec.Struct):
    """A label in use, with its unfinished tasks."""

    label: str
    ready: int
    scheduled: int
    leased: int
    quiet: int
    oldest_ready_at: datetime | None
    paused: bool
    max_leases: int | None


def decoded(raw: msgspec.Raw) -> Queue:
    """Return a queue for people."""
    return msgspec.json.decode(raw, type=Queue)


def _path(label: str) -> str:
    """Return the path of a label's queue; dots are encoded too, as `..` would lead elsewhere."""
    return f"queues/{quote(label, safe='').replace('.', '%2E')}"


async def read(api: Api, label: str) -> msgspec.Raw:
    """Return the queue of a label as the API sent it; raises what `ask` raises, as all calls here do."""
    raw: msgspec.Raw = await ask(api, "GET", _path(label))
    return raw


async def change_rules(api: Api, label: str, new: Callable[[Rules], Rules]) -> msgspec.Raw | None:
    """Give a label the rules that `new` makes of the present ones; return its queue, None where there is still none.

    Rules that stay the same are not written.
    """

    async def attempt() -> msgspec.Raw | None:
        raw, present, headers = None, Rules(), {"If-None-Match": "*"}
        try:
            raw = await read(api, label)
            queue = decoded(raw)
            present, headers = queue.rules, if_match(queue.version)
        except RefusedError as error:
            if error.status != 404:
                raise
        wanted = new(present)
        if wanted == present:
            return raw
        body: dict[str, Any] = msgspec.structs.asdict(wanted)
        return msgspec.Raw(await ask(api, "PUT", _path(label), json=body, headers=headers))

    return await change(attempt)


async def delete(api: Api, label: str) -> None:
    """Delete the queue of a label; its tasks stay."""
    await ask(api, "DELETE", _path(label), answer=None)

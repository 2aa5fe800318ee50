"""The server's clock, as a client sees it by the `Date` of responses."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from app.client.clock import ServerClock

Answer = tuple[int, Mapping[str, str]]


def date(ahead: timedelta) -> dict[str, str]:
    """Return the header of a server whose clock is ahead of this machine's by so much."""
    return {"Date": format_datetime(datetime.now(UTC) + ahead, usegmt=True)}


def correction(*answers: Answer) -> timedelta:
    """Return what the clock adds to a time once it has seen these answers."""
    clock = ServerClock()
    coming = iter(answers)

    def answer(_: httpx.Request) -> httpx.Response:
        status, headers = next(coming)
        return httpx.Response(status, headers=headers)

    async def call() -> None:
        transport = httpx.MockTransport(answer)
        async with httpx.AsyncClient(transport=transport, event_hooks=clock.hooks()) as client:
            for _ in answers:
                await client.get("http://localhost/")

    asyncio.run(call())
    now = datetime.now(UTC)
    return clock.correct(now) - now


@pytest.mark.parametrize("minutes", [20, -20, 60 * 24 * 365, -60 * 24 * 365 * 20])
def test_it_works(minutes: int) -> None:
    ahead = timedelta(minutes=minutes)
    assert abs(correction((200, date(ahead))) - ahead) < timedelta(seconds=2)


def test_a_clock_that_may_be_right_is_left_alone() -> None:
    """A Date has whole seconds, and is up to a second old."""
    assert correction((200, date(timedelta()))) == correction((200, date(timedelta(seconds=-1)))) == timedelta()


def test_the_last_one_counts_where_answers_contradict_each_other() -> None:
    answers = [(200, date(timedelta(minutes=minutes))) for minutes in (5, 20)]
    assert correction(*answers) > timedelta(minutes=19)


IGNORED = {
    "no Date": (200, {}),
    "not a date": (200, {"Date": "yesterday"}),
    "an empty one": (200, {"Date": ""}),
    "not a day": (200, {"Date": "Mon, 99 Nov 2026 25:61:61 GMT"}),
    "the year 1900": (200, {"Date": "Mon, 01 Jan 1900 00:00:00 GMT"}),
    "the year 9999": (200, {"Date": "Fri, 31 Dec 9999 23:59:59 GMT"}),
    "an error of a proxy": (502, date(timedelta(hours=1))),
    "a stored answer": (200, {**date(timedelta(hours=-1)), "Age": "3600"}),
}


@pytest.mark.parametrize("answer", IGNORED.values(), ids=IGNORED)
def test_an_answer_that_does_not_tell_the_time(answer: Answer) -> None:
    assert correction(answer) == timedelta()
    ahead = timedelta(minutes=20)
    assert abs(correction((200, date(ahead)), answer) - ahead) < timedelta(seconds=2)

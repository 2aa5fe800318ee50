"""What the hub does at moments that no client can choose, step by step on a real database."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import psycopg
import pytest

from app.dev.postgres import EmbeddedPostgres
from app.events.hub import MAX_BACKLOG, SLICE, Hub, Reader
from app.events.model import ALL, END
from app.events.store import MANY
from app.keys.authentication import Credentials, KeyRing
from app.postgres.notifications import Notifier
from app.settings import Settings
from tests.support.pool import opened
from tests.support.service import conninfo, fresh_database

INSERT = (
    "insert into history (task_id, version, action, at) select gen_random_uuid(), 1, 'created', {at}"
    " from generate_series(1, {count}) n"
)


def new_reader(abort: Callable[[], None] = lambda: None) -> Reader:
    return Reader(ALL, Credentials("x", "x"), abort)


@contextlib.asynccontextmanager
async def resting(settings: Settings) -> AsyncIterator[Hub]:
    """A hub that has looked once, and looks when it is told to."""
    async with opened(settings) as database:
        hub = Hub(database, Notifier(settings, database), KeyRing(database))
        await hub._poll()
        yield hub


def insert(settings: Settings, count: int, at: str = "now()") -> None:
    with psycopg.connect(conninfo(settings)) as connection:
        connection.execute(INSERT.format(at=at, count=count).encode())


def events(reader: Reader) -> int:
    count = 0
    while chunk := reader.take():
        count += chunk.count(b"data: ")
    return count


def test_who_comes_while_the_hub_looks_is_not_passed_over(postgres: EmbeddedPostgres) -> None:
    """Without readers a poll asks for no events, and moves the head to the last one; not so if one has come."""
    settings = fresh_database(postgres)

    async def run() -> int:
        reader = new_reader()
        async with resting(settings) as hub:
            with psycopg.connect(conninfo(settings)) as connection:
                connection.execute("lock table event_epochs in access exclusive mode")
                connection.execute(INSERT.format(at="now()", count=3).encode())
                poll = asyncio.create_task(hub._poll())
                while not connection.execute("select from pg_locks where not granted").fetchall():  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
                assert not poll.done()
                hub.join(reader)
            assert await poll == 0
            await hub._poll()
        return events(reader)

    assert asyncio.run(run()) == 3


def test_what_is_handed_out_page_by_page_is_told_as_late(postgres: EmbeddedPostgres) -> None:
    settings = fresh_database(postgres)

    async def run() -> None:
        async with resting(settings) as hub:
            reader = new_reader()
            hub.join(reader)
            insert(settings, 3 * MANY, "to_timestamp(1000 + n)")
            handed = 0
            while await hub._poll() == 0:
                handed += events(reader)
                assert hub.sent_up_to == 1000 + handed
            assert handed + events(reader) == 3 * MANY
            assert hub.sent_up_to is not None
            assert hub.sent_up_to > 1_000_000
            assert await hub._poll() > 0

    asyncio.run(run())


def test_a_page_of_large_events_is_cut_before_it_is_read(postgres: EmbeddedPostgres) -> None:
    settings = fresh_database(postgres)

    async def run() -> list[int]:
        async with resting(settings) as hub:
            async with hub._database.connection() as connection:
                await connection.execute(
                    "insert into history (task_id, version, action, before, after)"
                    " select gen_random_uuid(), 1, 'updated', large, large"
                    " from json_build_object('description', repeat('x', 10000)) large, generate_series(1, 10)"
                )
            sizes, after = list[int](), hub.head
            while page := (await hub.read_page(after, END, MANY)).events:
                sizes.append(len(page))
                after = page[-1].position
            return sizes

    assert asyncio.run(run()) == [4, 4, 2]


def test_a_statement_that_fails_is_logged(postgres: EmbeddedPostgres, caplog: pytest.LogCaptureFixture) -> None:
    """The runbook of late events says to look for it."""
    settings = fresh_database(postgres)

    async def run() -> None:
        async with resting(settings) as hub:
            with psycopg.connect(conninfo(settings)) as connection:
                connection.execute("alter table event_epochs rename to gone")
            looking = asyncio.create_task(hub._poll_forever())
            while "looking for events failed" not in caplog.text:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.02)
            looking.cancel()

    asyncio.run(run())
    assert "looking for events failed" in caplog.text
    assert 'relation "event_epochs" does not exist' in caplog.text


def test_a_reader_takes_a_slice_at_a_time() -> None:
    """What waits is shared by all readers; what was taken is a copy for each."""
    reader = new_reader()
    blocks = [b"%04d" % number * 2500 for number in range(50)]
    reader.push(blocks)
    taken = list[bytes]()
    while chunk := reader.take():
        assert reader.more.is_set() == (sum(map(len, taken)) + len(chunk) < 500_000)
        taken.append(chunk)
    assert max(map(len, taken)) < SLICE + 10_000
    assert b"".join(taken) == b"".join(blocks)


def test_a_reader_is_cut_off_when_more_than_the_backlog_waits() -> None:
    aborted = []
    reader = new_reader(lambda: aborted.append(True))
    reader.push([bytes(MAX_BACKLOG + 1)])
    assert not aborted
    reader.push([b"x"])
    assert aborted == [True]
    assert reader.ended
    assert reader.take() == b""
    reader.push([b"x"])
    assert aborted == [True]

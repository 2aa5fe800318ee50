"""Few NOTIFYs however many writes, one LISTEN connection that is made again, and readers who get them."""

import itertools
import json
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

from app.postgres.notifications import CHANGES, MOMENT_S, WORK
from tests.support.events import EventReader
from tests.support.leases import new_task
from tests.support.service import Service
from tests.support.waiting import eventually

WRITES = 400
LISTENERS = "select pid from pg_stat_activity where datname = current_database() and query like 'listen%'"


def is_not_last(notice: psycopg.Notify) -> bool:
    return notice.payload != "the last"


def test_it_rings_once_a_moment_and_not_for_each_write(client: httpx.Client, service: Service) -> None:
    with psycopg.connect(service.conninfo, autocommit=True) as other, ThreadPoolExecutor(8) as pool:
        for channel in (WORK, CHANGES):
            other.execute(f"listen {channel}".encode())
        started = time.monotonic()
        list(pool.map(lambda number: new_task(client, title=str(number)), range(WRITES)))
        took = time.monotonic() - started
        other.execute(f"notify {WORK}, 'the last'".encode())
        messages = [notice.payload for notice in itertools.takewhile(is_not_last, other.notifies())]
    notices = len(messages)
    told = sum(number for message in messages if message for _, number in json.loads(message))
    assert 0 < told <= WRITES  # the last moment may come after "the last"
    print(f"\n{WRITES / took:.0f} writes a second, {notices / took:.0f} NOTIFYs a second")
    assert 1 <= notices <= took / MOMENT_S + 1


@pytest.mark.alone
def test_readers_hear_it(client: httpx.Client, service: Service) -> None:
    """They would have a change a second later without it, and these come one after the other."""
    with EventReader(service.url, service.key) as reader:
        started = time.monotonic()
        for number in range(8):
            new_task(client)
            reader.wait_for(number + 1)
    assert time.monotonic() - started < 4


@pytest.mark.alone
def test_the_first_reader_hears_it_at_once(client: httpx.Client, service: Service) -> None:
    """A process without readers looks once a second and on no NOTIFY."""
    started = time.monotonic()
    for _ in range(5):
        with EventReader(service.url, service.key) as reader:
            new_task(client)
            reader.wait_for(1)
    assert time.monotonic() - started < 2.5


@pytest.mark.alone
def test_a_process_listens_again_after_its_connection_broke(
    client: httpx.Client, service: Service, database: psycopg.Connection
) -> None:
    def listening() -> list[int]:
        return [pid for (pid,) in database.execute(LISTENERS).fetchall()]

    (before,) = listening()
    database.execute("select pg_terminate_backend(%s)", [before])
    eventually(lambda: listening() not in ([], [before]))
    assert len(listening()) == 1
    test_readers_hear_it(client, service)

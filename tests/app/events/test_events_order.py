"""No event is missed and none comes twice, in whatever order transactions commit and whenever readers come and go."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.dev.postgres import EmbeddedPostgres
from tests.support.events import EventReader, lag_s, order
from tests.support.service import Service, fresh_database
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("events-order")  # they share a service

INSERT = "insert into history (task_id, version, action) values (gen_random_uuid(), 1, 'created')"
LOOKS = """
select query_start from pg_stat_activity
where datname = current_database() and application_name = 'taskpulse' and query like '%%pg_snapshot_xmin%%'
    and query_start > %s
"""
WRITERS = 4
TRANSACTIONS = 40


@pytest.fixture(scope="module")
def own(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on a database of its own."""
    with Service(fresh_database(postgres), tmp_path_factory.mktemp("events") / "log") as running:
        yield running


def written(service: Service, after: tuple[int, int] = (0, 0)) -> list[tuple[int, int]]:
    """Return what the history holds after a position."""
    with psycopg.connect(service.conninfo) as connection:
        rows = connection.execute(
            "select transaction::text::bigint, sequence from history"
            " where (transaction, sequence) > (%s::text::xid8, %s) order by transaction, sequence",
            [str(after[0]), after[1]],
        ).fetchall()
    return [(transaction, sequence) for transaction, sequence in rows]


def written_in_the_end(service: Service, after: tuple[int, int]) -> list[tuple[int, int]]:
    """Write one event more, and return what the history holds after a position."""
    with psycopg.connect(service.conninfo, autocommit=True) as connection:
        connection.execute(INSERT)
    return written(service, after)


def wait_for_looks(service: Service) -> None:
    """Return once the service has looked for events, and twice again: what the first one found was handed out."""
    looks = set[tuple[Any, ...]]()
    with psycopg.connect(service.conninfo, autocommit=True) as connection:
        now = connection.execute("select clock_timestamp()").fetchone()

        def enough() -> bool:
            looks.update(connection.execute(LOOKS, now).fetchall())
            return len(looks) >= 3

        eventually(enough)


class Visitor:
    """A reader that comes, goes and comes back with its last id."""

    def __init__(self, service: Service, after: str) -> None:
        self.service = service
        self.last_id = after
        self.ids: list[tuple[int, int]] = []

    def visit(self, seconds: float) -> None:
        with EventReader(self.service.url, self.service.key, after=self.last_id) as reader:
            time.sleep(seconds)
        self._keep(reader)

    def stay_until(self, expected: list[tuple[int, int]]) -> None:
        """Stay until the last event has come, which nobody can have seen before."""
        with EventReader(self.service.url, self.service.key, after=self.last_id) as reader:
            eventually(lambda: expected[-1] in reader.ids)
        self._keep(reader)

    def _keep(self, reader: EventReader) -> None:
        assert [got for got in reader.blocks if got.event != "message"] == []
        self.ids += reader.ids
        self.last_id = reader.last_id or self.last_id


def test_a_transaction_that_commits_late_is_not_passed_over(own: Service) -> None:
    """Sequence numbers alone would lose it: what came later is held back until it has ended."""
    with (
        EventReader(own.url, own.key) as reader,
        psycopg.connect(own.conninfo) as late,
        psycopg.connect(own.conninfo, autocommit=True) as other,
    ):
        start = order(reader.last_id)
        late.execute(INSERT)
        for _ in range(3):
            other.execute(INSERT)
        wait_for_looks(own)
        assert reader.ids == []
        late.commit()
        reader.wait_for(4)
        assert reader.ids == written(own, start)
        sequences = [sequence for _, sequence in reader.ids]
        assert sequences == sorted(sequences)


def test_a_prepared_transaction_is_waited_for_even_when_its_session_is_gone(own: Service) -> None:
    with EventReader(own.url, own.key) as reader, psycopg.connect(own.conninfo, autocommit=True) as other:
        start = order(reader.last_id)
        with psycopg.connect(own.conninfo, autocommit=True) as late:
            late.execute("begin")
            late.execute(INSERT)
            late.execute("prepare transaction 'late'")
        other.execute(INSERT)
        wait_for_looks(own)
        assert reader.ids == []
        other.execute("commit prepared 'late'")
        reader.wait_for(2)
        assert reader.ids == written(own, start)


def test_an_id_that_another_process_gave_is_none_of_the_future(own: Service, tmp_path: Path) -> None:
    """This process may not have looked since; nothing rings here."""
    with (
        Service(own.settings, tmp_path / "log") as ahead,
        psycopg.connect(own.conninfo, autocommit=True) as connection,
        EventReader(own.url, own.key),  # who comes now is at the head of this process, without a look
    ):
        for _ in range(5):
            connection.execute(INSERT)
            with EventReader(ahead.url, own.key) as reader:
                here = reader.last_id
            with EventReader(own.url, own.key, after=here) as reader:
                time.sleep(0.05)
            assert (reader.blocks, reader.last_id) == ([], here)


def wait_for_lag(service: Service, at_least: float, below: float) -> None:
    eventually(lambda: at_least <= lag_s(service) < below)


@pytest.mark.parametrize("readers", [0, 1])
def test_the_lag_grows_while_a_transaction_holds_the_stream_back(own: Service, readers: int) -> None:
    with (
        ExitStack() as stack,
        psycopg.connect(own.conninfo) as late,
        psycopg.connect(own.conninfo, autocommit=True) as other,
    ):
        for _ in range(readers):
            stack.enter_context(EventReader(own.url, own.key))
        late.execute(INSERT)
        wait_for_lag(own, 0, 2.5)  # nothing waits for it yet
        other.execute(INSERT)
        wait_for_lag(own, 2.5, 60)
        late.rollback()
        wait_for_lag(own, 0, 2.5)


def write_at_random(service: Service, seed: int) -> None:
    """Open, hold, commit and roll back transactions that overlap."""
    chance = random.Random(seed)
    with psycopg.connect(service.conninfo) as connection:
        for _ in range(TRANSACTIONS):
            for _ in range(chance.randint(1, 4)):
                connection.execute(INSERT)
                time.sleep(chance.choice([0, 0, 0.01, 0.15]))
            if chance.random() < 0.2:
                connection.rollback()
            else:
                connection.commit()


def test_readers_that_come_and_go_get_what_the_history_holds(own: Service) -> None:
    with EventReader(own.url, own.key) as first:
        start = first.last_id
    visitors = [Visitor(own, start) for _ in range(6)]

    def come_and_go(visitor: Visitor, seed: int) -> None:
        chance = random.Random(seed)
        while any(writer.is_alive() for writer in writers):
            visitor.visit(chance.uniform(0, 0.5))
            time.sleep(chance.uniform(0, 0.2))

    writers = [threading.Thread(target=write_at_random, args=(own, seed)) for seed in range(WRITERS)]
    readers = [threading.Thread(target=come_and_go, args=(visitor, i)) for i, visitor in enumerate(visitors)]
    for thread in writers + readers:
        thread.start()
    for thread in writers + readers:
        thread.join()
    expected = written_in_the_end(own, order(start))
    by_sequence = sorted(expected, key=lambda position: position[1])
    assert expected != by_sequence, "no transaction committed out of order"
    for visitor in visitors:
        visitor.stay_until(expected)
        assert visitor.ids == expected
    print(f"\n{len(expected)} events, {len(visitors)} readers, none missed, none twice")


@st.composite
def interleavings(draw: st.DrawFn) -> list[tuple[int, str]]:
    """Transactions that overlap, step by step: (writer, what it does next), and visits of the reader in between."""
    writes = st.lists(st.sampled_from(["write", "write within", "write in vain"]), min_size=1, max_size=3)
    ends = st.sampled_from(["commit", "commit", "rollback"])
    steps = [[*draw(writes), draw(ends)] for _ in range(WRITERS)] + [["visit"] * draw(st.integers(1, 4))]
    turns = draw(st.permutations([turn for turn, mine in enumerate(steps) for _ in mine]))
    return [(turn, steps[turn].pop(0)) for turn in turns]


@settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(steps=interleavings())
def test_any_order_of_writes_commits_and_visits(own: Service, steps: list[tuple[int, str]]) -> None:
    with EventReader(own.url, own.key) as first:
        start = first.last_id
    visitor = Visitor(own, start)
    with ExitStack() as stack:
        writers: list[psycopg.Connection[Any]] = [
            stack.enter_context(psycopg.connect(own.conninfo)) for _ in range(WRITERS)
        ]
        for number, step in steps:
            if step == "visit":
                visitor.visit(0.1)
            elif step == "commit":
                writers[number].commit()
            elif step == "rollback":
                writers[number].rollback()
            else:
                write(writers[number], step)
    expected = written_in_the_end(own, order(start))
    visitor.stay_until(expected)
    assert visitor.ids == expected


def write(writer: psycopg.Connection[Any], how: str) -> None:
    """Write in the transaction that the writer has open, or in a subtransaction, which has a number of its own."""
    if how == "write":
        writer.execute(INSERT)
        return
    writer.execute("select 1")  # it begins
    with writer.transaction():
        writer.execute(INSERT)
        if how == "write in vain":
            raise psycopg.Rollback

"""Records, and what is asked of them."""

import base64
import gzip

import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists

from delivery.deploy.migrations import barriers
from delivery.deploy.release import (
    FAILED,
    GOOD,
    KEPT,
    PUT_BACK,
    STARTED,
    Record,
    Release,
    applied,
    earlier,
    kept,
    line,
    next_record,
    numbered,
)
from delivery.errors import DeliveryError
from delivery.migrations import migrations

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"}, "data": {"a": "1"}}


def release(commit: str = "c0ffee0", **migrations: str | None) -> Release:
    return Release("dev", "n", commit, "image@sha256:1", [CONFIG], migrations)


def test_a_record_comes_back_as_it_was_written() -> None:
    record = Record(3, release(one=None, two="reason"), GOOD, "note")
    assert Record.parse(record.as_object()) == record
    adopting = record.adopting([CONFIG])
    assert Record.parse(adopting.as_object()) == adopting


def test_what_was_adopted_first_is_kept_however_often_the_same_release_runs() -> None:
    before, after = CONFIG, {**CONFIG, "data": {"a": "2"}}
    record = Record(3, release()).adopting([before]).ended(FAILED, "note")
    again = next_record([record], release()).adopting([])
    assert again.adopted == [before]
    assert again.adopting([after]).adopted == [after]


@pytest.mark.parametrize(
    "wrong",
    [
        {"data": None},
        {"data": {}},
        {"binaryData": {"manifests": "AAAA"}},
        {"binaryData": {"manifests": "H4sI"}},
        {"binaryData": {"manifests": base64.b64encode(gzip.compress(b'{"a": 1}')).decode()}},
        {"binaryData": {"manifests": base64.b64encode(gzip.compress(b"[1]")).decode()}},
    ],
)
def test_what_is_no_record_is_said_to_be_none(wrong: dict[str, object]) -> None:
    sentence = "ConfigMap taskpulse-release-3 has the label taskpulse/release, yet holds no record that can be read"
    with pytest.raises(DeliveryError, match=sentence):
        Record.parse(Record(3, release()).as_object() | wrong)


def test_a_record_that_no_config_map_can_hold_is_refused() -> None:
    import secrets

    large = Release("dev", "n", "c", "i", [{**CONFIG, "data": {"a": secrets.token_hex(900_000)}}], {})
    with pytest.raises(DeliveryError, match="The manifests take"):
        Record(1, large).as_object()


def test_the_same_release_again_takes_its_record_up_again() -> None:
    assert next_record([], release()) == Record(1, release(), STARTED, "", next_record([], release()).time)
    for state in (STARTED, FAILED, PUT_BACK):
        again = next_record([Record(4, release(), state)], release())
        assert (again.number, again.state) == (4, STARTED)
    assert next_record([Record(4, release(), GOOD)], release()).state == GOOD
    assert next_record([Record(4, release(), GOOD)], release("decade0")).number == 5


@pytest.mark.parametrize(("state", "expected"), [(GOOD, 2), (PUT_BACK, 1), (FAILED, None), (STARTED, None)])
def test_what_was_applied_last_is_known_only_after_a_good_end(state: str, expected: int | None) -> None:
    found = applied([Record(1, release(), GOOD), Record(2, release(), state)])
    assert (found.number if found else None) == expected


@pytest.mark.parametrize(
    ("state", "commit", "expected"),
    [
        (GOOD, "third", 2),
        (PUT_BACK, "third", 1),
        (FAILED, "third", 2),
        (STARTED, "third", 2),
        (STARTED, "first", 1),  # a rollback to release 1 that was killed
    ],
)
def test_a_rollback_goes_back_from_what_was_applied_last(state: str, commit: str, expected: int) -> None:
    past = [Record(1, release("first"), GOOD), Record(2, release("second"), GOOD), Record(3, release(commit), state)]
    assert earlier(past, 1).number == expected


def test_a_release_that_was_put_back_by_hand_counts_once() -> None:
    past = [
        Record(1, release("first"), GOOD),
        Record(2, release("second"), GOOD),
        Record(3, release("third"), FAILED),
        Record(4, release("second"), GOOD, restores=2),
    ]
    assert earlier(past, 1).number == 1


def numbers(past: list[Record]) -> list[int]:
    return [record.origin for record in line(past)]


def test_what_was_rolled_back_from_is_no_way_back() -> None:
    past = [Record(number, release(str(number)), GOOD) for number in (1, 2, 3)]
    past.append(Record(4, release("2"), GOOD, restores=2))
    assert numbers(past) == [1, 2]
    past.append(Record(5, release("5"), GOOD))
    assert numbers(past) == [1, 2, 5]
    past.append(Record(6, release("3"), GOOD, restores=3))
    assert numbers(past) == [1, 2, 3]
    past.append(Record(7, release("1"), GOOD, restores=1))
    assert numbers(past) == [1]


@given(lists(integers(min_value=-2, max_value=2), max_size=30))
def test_rollbacks_go_back_the_way_that_deploys_went(steps: list[int]) -> None:
    """A step deploys a new commit (0), fails and is put back (1), deploys the last commit again (2), or rolls back."""
    past: list[Record] = []
    way: list[str] = []
    newest = 0
    for step in steps:
        newest += step in {0, 1}
        if step < 0:
            if min(len(way), KEPT) <= -step:
                continue  # so far back nothing is recorded
            target = earlier(past, -step)
            del way[step:]
            assert target.release.commit == way[-1]
            record = next_record(past, target.release, target.origin)
        elif step == 2 and not way:
            continue
        else:
            commit = way[-1] if step == 2 else str(newest)
            record = next_record(past, release(commit))
            way += [commit] if commit not in way[-1:] and step == 0 else []
        past = [each for each in past if each.number != record.number]
        past.append(record.ended(PUT_BACK if step == 1 else GOOD, ""))
        if step != 1:
            past = [each for each in past if each.number in kept(past)]
            assert len(past) <= 2 * KEPT
            del way[:-KEPT]  # a rollback does not bring back what is not kept any more
        assert [each.release.commit for each in line(past)[-KEPT:]] == way


def test_what_was_rolled_back_from_stays_recorded() -> None:
    past = [Record(number, release(str(number)), GOOD) for number in (1, 2, 3)]
    past += [Record(4, release("2"), GOOD, restores=2), Record(5, release("1"), GOOD, restores=1)]
    assert kept(past) == {1, 2, 3, 4, 5}
    assert kept([Record(number, release(str(number)), GOOD) for number in range(1, 20)]) == {15, 16, 17, 18, 19}


def test_a_release_that_never_was_good_is_not_brought_back() -> None:
    past = [Record(1, release("1"), GOOD), Record(2, release("2"), PUT_BACK)]
    with pytest.raises(DeliveryError, match=r"Release 2 never was good \(put back\)"):
        numbered(past, 2)


def test_a_marked_migration_stands_between_releases_that_have_it_and_that_have_not() -> None:
    past = [Record(1, release(one=None)), Record(2, release(one=None, two="the column is gone"))]
    assert barriers(past, release(one=None)) == ["Code without migration two cannot live with it: the column is gone."]
    assert barriers(past, release(one=None, two="the column is gone")) == []
    assert barriers(past[:1], release()) == []


def test_the_migrations_of_this_checkout_are_read() -> None:
    assert "0001_tasks.sql" in migrations()

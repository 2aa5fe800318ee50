"""Tables and times for people."""

from datetime import UTC, datetime, timedelta

import pytest

from app.client.ages import age, moment
from app.client.table import details, shortened, table, width_of

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (7199, "119m"),
        (7200, "2h"),
        (172_799, "47h"),
        (172_800, "2d"),
        (-300, "5m"),
    ],
)
def test_ages(seconds: int, said: str) -> None:
    assert age(NOW - timedelta(seconds=seconds), NOW) == said


def test_moments() -> None:
    assert moment(NOW - timedelta(minutes=5), NOW) == "2026-01-31 11:55:00Z (5m ago)"
    assert moment(NOW + timedelta(hours=3), NOW) == "2026-01-31 15:00:00Z (in 3h)"


def test_columns_are_aligned_by_what_a_terminal_shows() -> None:
    lines = table(["NAME", "TITLE"], [["日本", "first"], ["e\u0301", "second"], ["long name", "x" * 40]], 30)
    assert lines[0] == "NAME       TITLE"
    assert lines[1] == "日本       first"
    assert lines[2] == "e\u0301          second"
    assert lines[3] == "long name  " + "x" * 18 + "…"
    assert all(width_of(line) <= 30 for line in lines)


def test_a_letter_of_two_columns_is_not_cut_in_half() -> None:
    assert shortened("日本語", 6) == "日本語"
    assert shortened("日本語", 5) == "日本…"
    assert shortened("日本語", 4) == "日…"


def test_details_keep_lines_and_nothing_else() -> None:
    assert details([("Name", "one\r\n\ttwo\x1b[2J"), ("Longer", "x")]) == [
        "Name:    one",
        "             two?[2J",
        "Longer:  x",
    ]

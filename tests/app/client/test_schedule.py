"""When `taskpulse run` expects the next start."""

from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest

from app.client import schedule
from app.client.schedule import Cron, Every, ScheduleError

DAILY, NIGHT, HALF_PAST = "0 3 * * *", "0 0 * * *", "30 2 * * *"

NEXT = [
    ("an ordinary day", DAILY, "Europe/Berlin", "2026-06-10T01:00:03Z", "2026-06-11T01:00:00Z"),
    ("a night of 25 hours", DAILY, "Europe/Berlin", "2026-10-24T01:00:03Z", "2026-10-25T02:00:00Z"),
    ("a night of 23 hours", DAILY, "Europe/Berlin", "2026-03-28T02:00:03Z", "2026-03-29T01:00:00Z"),
    ("the day after 25 hours", DAILY, "Europe/Berlin", "2026-10-25T02:00:03Z", "2026-10-26T02:00:00Z"),
    ("25 hours in New York", NIGHT, "America/New_York", "2026-11-01T04:00:03Z", "2026-11-02T05:00:00Z"),
    ("half an hour in Lord Howe", DAILY, "Australia/Lord_Howe", "2026-04-03T16:00:00Z", "2026-04-04T16:30:00Z"),
    ("no such zone change", DAILY, "UTC", "2026-10-24T03:00:03Z", "2026-10-25T03:00:00Z"),
    ("a time that is skipped runs at once", HALF_PAST, "Europe/Berlin", "2026-03-28T01:30:03Z", "2026-03-29T01:00:00Z"),
    ("a time that comes twice runs once", HALF_PAST, "Europe/Berlin", "2026-10-25T00:30:03Z", "2026-10-26T01:30:00Z"),
    ("within the hour that repeats", HALF_PAST, "Europe/Berlin", "2026-10-25T01:15:00Z", "2026-10-26T01:30:00Z"),
    ("each hour, also the repeated one", "0 * * * *", "Europe/Berlin", "2026-10-25T00:00:03Z", "2026-10-25T01:00:00Z"),
    ("started late", DAILY, "UTC", "2026-06-10T05:59:00Z", "2026-06-11T03:00:00Z"),
    ("started by hand, before its time", DAILY, "UTC", "2026-06-10T02:30:00Z", "2026-06-10T03:00:00Z"),
    ("on workdays only", "0 3 * * MON-FRI", "UTC", "2026-06-12T03:00:03Z", "2026-06-15T03:00:00Z"),
    ("Sunday as 7", "0 3 * * 7", "UTC", "2026-06-10T03:00:03Z", "2026-06-14T03:00:00Z"),
    ("a leap day", "0 0 29 2 *", "UTC", "2026-06-10T03:00:03Z", "2028-02-29T00:00:00Z"),
]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("expression", "zone", "started", "following"), [case[1:] for case in NEXT], ids=[c[0] for c in NEXT]
)
def test_the_next_start(expression: str, zone: str, started: str, following: str) -> None:
    assert Cron(expression, zone).next_start(at(started), at(started)) == at(following)


SKEWED = [
    ("20 minutes fast, started by cron", DAILY, "2026-06-10T02:40:01Z", "2026-06-10T03:00:01Z", "2026-06-11T03:00:00Z"),
    ("half a second fast", DAILY, "2026-06-10T02:59:59.6Z", "2026-06-10T03:00:00.1Z", "2026-06-11T03:00:00Z"),
    ("20 minutes slow, started by cron", DAILY, "2026-06-10T03:20:01Z", "2026-06-10T03:00:01Z", "2026-06-11T03:00:00Z"),
    ("fast, started by hand", DAILY, "2026-06-10T02:50:00Z", "2026-06-10T03:10:00Z", "2026-06-10T03:00:00Z"),
    ("fast, every 5 minutes", "*/5 * * * *", "2026-06-10T02:40:00.1Z", "2026-06-10T03:00:00Z", "2026-06-10T02:45:00Z"),
    ("known to a second", "*/5 * * * *", "2026-06-10T02:39:59.2Z", "2026-06-10T03:00:00Z", "2026-06-10T02:45:00Z"),
    ("slow, every 5 minutes", "*/5 * * * *", "2026-06-10T03:20:00.1Z", "2026-06-10T03:00:00Z", "2026-06-10T03:25:00Z"),
    (
        "a day fast, every 5 minutes",
        "*/5 * * * *",
        "2026-06-10T02:41:00Z",
        "2026-06-11T02:45:00Z",
        "2026-06-10T02:45:00Z",
    ),
]


@pytest.mark.parametrize(
    ("expression", "started", "here", "following"), [case[1:] for case in SKEWED], ids=[c[0] for c in SKEWED]
)
def test_a_clock_that_is_wrong_makes_no_false_start(expression: str, started: str, here: str, following: str) -> None:
    """Cron starts by this machine's clock, and due times are the server's."""
    assert Cron(expression, "UTC").next_start(at(started), at(here)) == at(following)


@pytest.mark.parametrize("expression", [DAILY, NIGHT, HALF_PAST, "*/7 * * * *", "15,45 1-3 * * *", "0 */6 * * *"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"])
def test_starts_only_go_forward(expression: str, zone: str) -> None:
    """Whatever the hour, in all of a year's changes of the clock."""
    cron = Cron(expression, zone)
    for change in (
        "2026-03-08T05:00Z",
        "2026-03-29T00:00Z",
        "2026-04-04T13:00Z",
        "2026-10-25T00:00Z",
        "2026-11-01T04:00Z",
    ):
        for minutes in range(0, 180, 13):
            moment = at(change) + timedelta(minutes=minutes, seconds=7)
            assert moment < cron.next_start(moment, moment) <= moment + timedelta(hours=26)


def test_every_is_a_span_of_real_time() -> None:
    started = at("2026-10-24T01:00:00Z")
    assert Every(timedelta(days=1)).next_start(started, started) == at("2026-10-25T01:00:00Z")


@pytest.mark.parametrize(
    "expression",
    ["", "0 3 * *", "0 0 3 * * *", "@daily", "60 3 * * *", "0 24 * * *", "0 3 32 * *", "0 3 * 13 *", "0 3 * * 8",
     "a b c d e", "*/0 * * * *", "5-1 * * * *", "0 3 30 2 *", "9" * 5000 + " * * * *", "0 3 * * ²L", "0 3 31 2,4 *"],
    ids=lambda expression: expression[:20],
)  # fmt: skip
def test_a_wrong_expression_says_what_is_right(expression: str) -> None:
    with pytest.raises(ScheduleError, match=r"0 3 \* \* \*|never comes"):
        Cron(expression, "UTC")


@pytest.mark.parametrize(
    "zone", ["Mars/Base", "America", "", "../etc/passwd", "/etc/localtime", "x" * 5000, "a\0b", "CEST"]
)
def test_a_wrong_zone_says_what_is_right(zone: str) -> None:
    with pytest.raises(ScheduleError, match="Europe/Berlin"):
        Cron(DAILY, zone)


class TestWithoutZone:
    """The zone is that of the machine, as it is for cron."""

    SUMMER = at("2026-06-10T12:00:00Z")

    def next_hour(self) -> int:
        return Cron(DAILY, None).next_start(self.SUMMER, self.SUMMER).hour

    def test_the_variable_comes_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TZ", ":Asia/Tokyo")
        assert self.next_hour() == 18

    def test_the_variable_may_be_a_path(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TZ", f":{files('tzdata') / 'zoneinfo' / 'Asia' / 'Tokyo'}")
        assert self.next_hour() == 18

    def test_then_the_file(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("TZ", raising=False)
        monkeypatch.setattr(schedule, "LOCAL_ZONE", Path(str(files("tzdata") / "zoneinfo" / "Asia" / "Tokyo")))
        assert self.next_hour() == 18
        monkeypatch.setattr(schedule, "LOCAL_ZONE", tmp_path / "none")
        assert self.next_hour() == 3

    def test_a_variable_that_is_no_name_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TZ", "CET-1CEST")
        with pytest.raises(ScheduleError, match=r"TZ is 'CET-1CEST'.*--timezone"):
            Cron(DAILY, None)

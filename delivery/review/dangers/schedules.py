"""CronJobs that never run, run far less often, or run twice at once."""

import calendar
import re
from collections.abc import Iterator
from typing import NamedTuple

from delivery.manifests import Object, dig

MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
# bounds of the five fields, and names of their numbers from the first on
FIELDS = ((0, 59, ""), (0, 23, ""), (1, 31, ""), (1, 12, "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC"),
          (0, 6, "SUN MON TUE WED THU FRI SAT"))  # fmt: skip
LEAP_YEAR = 2024
LONGEST = [0, *(calendar.monthrange(LEAP_YEAR, month)[1] for month in range(1, 13))]  # days of each month
SELDOM = 4  # times less often than before, from which it is told
MISSED = 10  # seconds between two looks of the controller at its CronJobs


class Schedule(NamedTuple):
    """The minutes, hours, days, months and days of the week at which a job runs."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool  # either day may be the one, as both are written

    def dates(self) -> list[tuple[int, int]]:
        """Month and day of each date that it names, in a leap year, whatever the day of the week."""
        return [(month, day) for month in self.months for day in self.days if day <= LONGEST[month]]

    def a_year(self) -> float:
        """About how often it runs in a year."""
        days, week = len(self.dates()), len(self.weekdays) / 7
        whole = sum(LONGEST[month] for month in self.months)
        dated = days + (whole - days) * week if self.any_day else days * week
        return dated * len(self.hours) * len(self.minutes)


def dangers(before: Object | None, after: Object) -> Iterator[str]:
    """Sentences on a CronJob."""
    text, old = (dig(each, "spec", "schedule") for each in (after, before))
    if isinstance(text, str) and text != old and not text.strip().startswith("@every"):
        now, was = read(text), read(old) if isinstance(old, str) else None
        if now is None:
            yield f"Its schedule {text!r} is none: the API server refuses it."
        elif not now.any_day and not now.dates():
            yield f"Its schedule {text!r} names no date that there is: it never runs."
        elif not now.any_day and now.dates() == [(2, 29)]:
            yield f"Its schedule {text!r} names 29 February alone: it runs in leap years only."
        elif was and now.a_year() * SELDOM <= was.a_year():
            often = "once" if now.a_year() < 1.5 else f"{now.a_year():.0f} times"
            yield f"It runs about {often} a year instead of {was.a_year():.0f} times (schedule {text!r})."
    had, has = (dig(each, "spec", "concurrencyPolicy") or "Allow" for each in (before, after))
    if before and had != "Allow" == has:
        yield f"concurrencyPolicy is Allow instead of {had}: it starts although its last run has not ended."
    had, has = (dig(each, "spec", "startingDeadlineSeconds") for each in (before, after))
    if isinstance(has, int) and has < MISSED and has != had:
        yield f"startingDeadlineSeconds is {has}, and its controller looks every {MISSED} s: runs are left out."


def read(text: str) -> Schedule | None:
    """A schedule as it is written; None where it is none.

    Source: ParseStandard of https://pkg.go.dev/github.com/robfig/cron/v3, which the API server reads them with.
    """
    text = re.sub(r"^(?:CRON_)?TZ=\S+\s+", "", text.strip())
    fields = MACROS.get(text.lower(), text).split()
    if len(fields) != len(FIELDS):
        return None
    values = [numbers(field, *bounds) for field, bounds in zip(fields, FIELDS, strict=True)]
    if not all(values):
        return None
    minutes, hours, days, months, weekdays = values
    every = {"*", "?", "*/1"} & {*fields[2].split(","), *fields[4].split(",")}
    return Schedule(minutes, hours, days, months, weekdays, not every)


def numbers(field: str, least: int, most: int, names: str) -> frozenset[int]:
    """The numbers that a field stands for; none where it is wrong."""
    found: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        ends = [number(each, least, names) for each in (first, last if dash else first)]
        if span in {"*", "?"}:
            ends = [least, most]
        elif slash and not dash:
            ends[1] = most
        start, end = ends
        if start is None or end is None or not least <= start <= end <= most or (slash and not step.isdecimal()):
            return frozenset()
        if slash and not int(step):
            return frozenset()
        found.update(range(start, end + 1, int(step) if slash else 1))
    return frozenset(found)


def number(text: str, least: int, names: str) -> int | None:
    if text.isdecimal():
        return int(text)
    known = names.split()
    return known.index(text.upper()) + least if text.upper() in known else None

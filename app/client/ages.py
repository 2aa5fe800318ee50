"""Times as people read them."""

from datetime import datetime

UNITS = ((86_400, 172_800, "d"), (3600, 7200, "h"), (60, 120, "m"))
"""Seconds of a unit, from how many on it is used, and its letter."""


def age(then: datetime, now: datetime) -> str:
    """Return the time between two moments in one number, as in `5m`."""
    seconds = abs(int((now - then).total_seconds()))
    for size, least, letter in UNITS:
        if seconds >= least:
            return f"{seconds // size}{letter}"
    return f"{seconds}s"


def moment(then: datetime, now: datetime) -> str:
    """Return a time in UTC and how far it is away, as in `2026-01-31 12:00:00Z (5m ago)`."""
    distance = f"{age(then, now)} ago" if then <= now else f"in {age(then, now)}"
    return f"{then:%Y-%m-%d %H:%M:%S}Z ({distance})"

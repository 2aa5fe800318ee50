"""When a script that runs again and again starts next: after a span, or by a cron expression in a time zone."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

LOCAL_ZONE = Path("/etc/localtime")
UNCERTAINTY = timedelta(seconds=2)
"""How exactly `ServerClock` knows the server's time."""
DELAY = timedelta(seconds=90)
"""How long cron or a systemd timer may take to start what is due."""


class ScheduleError(ValueError):
    """The expression or the time zone is wrong; the message says why, and what would be right."""


class Schedule(Protocol):
    """What starts a script."""

    def next_start(self, started: datetime, here: datetime) -> datetime:
        """Return the server's time of the start after one at `started`; `here` is the same moment on this machine."""


@dataclass(frozen=True)
class Every:
    """A start whenever so much time has passed since the last one."""

    span: timedelta

    def next_start(self, started: datetime, here: datetime) -> datetime:
        """Return the time a span later."""
        return started + self.span


class Cron:
    """Starts as cron makes them: also in a night that lacks an hour or has one twice."""

    def __init__(self, expression: str, zone: str | None) -> None:
        """Take the zone's name in the IANA database; None is the zone of this machine.

        Raises ScheduleError.
        """
        self._expression = expression
        self._zone = _local_zone() if zone is None else _zone(zone)
        self._after(datetime.now(UTC))

    def next_start(self, started: datetime, here: datetime) -> datetime:
        """Return the first start after the one that `started` is.

        Cron goes by this machine's clock. Where that is fast, cron starts a script before its time by the server's
        clock; that start counts as the one that is still to come there.
        """
        coming = self._after(started)
        started_by_cron = coming <= here <= coming + DELAY
        return self._after(coming) if started_by_cron or coming - started <= UNCERTAINTY else coming

    def _after(self, moment: datetime) -> datetime:
        """Return the first start after a moment, in UTC.

        Raises ScheduleError.
        """
        if len(self._expression.split()) != 5:
            raise ScheduleError(f"{self._expression!r} does not have five fields. {_EXAMPLE}")
        try:
            starts = CronSim(self._expression, moment.astimezone(self._zone))
        except (CronSimError, ValueError) as error:
            raise ScheduleError(f"{self._expression!r} is not a cron expression: {error}. {_EXAMPLE}") from None
        # In an hour that comes twice, cronsim may go back to its first time.
        found = next((start for start in starts if start.astimezone(UTC) > moment), None)
        if found is None:
            raise ScheduleError(f"{self._expression!r} never comes: no month has such a day.")
        return found.astimezone(UTC)


_EXAMPLE = "It has minute, hour, day of the month, month and day of the week, as in '0 3 * * *' for 03:00 each day."


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # not there, not a name, a folder of names
        raise ScheduleError(f"{name!r} is not a time zone. Give its name, as in Europe/Berlin or UTC.") from None


def _local_zone() -> ZoneInfo:
    """Return the zone that cron uses on this machine."""
    name = os.environ.get("TZ", "").removeprefix(":")
    if name and not name.startswith("/"):
        try:
            return _zone(name)
        except ScheduleError:
            raise ScheduleError(f"TZ is {name!r}, which is not the name of a time zone. Give --timezone.") from None
    try:
        with (Path(name) if name else LOCAL_ZONE).open("rb") as file:
            return ZoneInfo.from_file(file, key=None)
    except (OSError, ValueError):
        return ZoneInfo("UTC")

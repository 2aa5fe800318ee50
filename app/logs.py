"""Logging: one JSON object a line, on standard error."""

import asyncio
import logging
import logging.config
import re
import sys
from datetime import UTC, datetime
from typing import TextIO

import msgspec
from pythonjsonlogger.msgspec import MsgspecFormatter

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control characters, other line ends, and what changes the direction of text."""


class Line(msgspec.Struct, kw_only=True):
    """Fields shared by all high-volume log lines."""

    time: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))
    level: str = "INFO"
    logger: str
    message: str


def write_line(line: Line) -> None:
    """Log a line, ten times as fast as a record; the caller checks first whether its logger is enabled."""
    for output in logging.root.handlers:
        if isinstance(output, Output):
            output.add(line)
        else:
            logging.getLogger(line.logger).info(line.message)


class Output(logging.StreamHandler[TextIO]):
    """Standard error; lines are written together at the end of an event-loop turn, and before any record."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(JSONFormatter())
        self._lines: list[bytes] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; never raise into the caller when stderr is closed."""
        try:
            self._write()
        except (OSError, ValueError):
            self.handleError(record)
        super().emit(record)

    def add(self, line: Line) -> None:
        """Queue a line until the end of this event-loop turn."""
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._write)
        self._lines.append(msgspec.json.encode(line))

    def _write(self) -> None:
        if self._lines:
            lines, self._lines = self._lines, []
            sys.stderr.buffer.write(b"\n".join([*lines, b""]))
            sys.stderr.flush()


class JSONFormatter(MsgspecFormatter):
    """Formats a record as `time` (RFC 3339, UTC), level, logger, message and what the caller adds."""

    def __init__(self) -> None:
        super().__init__(
            ["levelname", "name", "message"],
            timestamp="time",
            rename_fields={"levelname": "level", "name": "logger", "exc_info": "exception"},
        )


class TextFormatter(logging.Formatter):
    """Formats a record as text for people; what a client wrote cannot begin a line or steer the terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name of logging
        """Return the line of a record, with its control characters escaped."""
        record.message = _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), record.message)
        return super().formatMessage(record)


def configure(level: str, *, json: bool = True) -> None:
    """Send every logger's lines to standard error, as JSON or, for people, as text."""
    output = Output() if json else logging.StreamHandler()
    if not json:
        output.setFormatter(TextFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[output], force=True)
    # Do not look up for each record what no line shows (logging HOWTO, "Optimization").
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.access").disabled = True

"""Logging: one JSON object a line, on standard error."""

import logging
import logging.config
import sys
from datetime import UTC, datetime

import msgspec
from pythonjsonlogger.msgspec import MsgspecFormatter


class Line(msgspec.Struct):
    """A message that says its fields itself, for lines that are many: `log.info(Line("text"))`."""

    message: str
    level: str = ""
    logger: str = ""
    time: datetime | None = None

    def __str__(self) -> str:
        return self.message


class JSONFormatter(MsgspecFormatter):
    """A line's `time` in RFC 3339 with milliseconds, UTC; then level, logger, message and what the caller adds."""

    def __init__(self) -> None:
        super().__init__(
            ["levelname", "name", "message"],
            timestamp="time",
            rename_fields={"levelname": "level", "name": "logger", "exc_info": "exception"},
        )

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line = record.msg
        if not isinstance(line, Line):
            return super().format(record)
        line.level, line.logger = record.levelname, record.name
        line.time = datetime.fromtimestamp(record.created, UTC)
        return msgspec.json.encode(line).decode()


def configure(level: str, *, json: bool = True) -> None:
    """Send every logger's lines to standard error, as JSON or, for people, as text."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONFormatter() if json else logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # What no line shows is not looked up for each (logging HOWTO, "Optimization").
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.access").disabled = True

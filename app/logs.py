"""Logging: one JSON object a line, on standard error."""

import logging
import logging.config
import sys

from pythonjsonlogger.msgspec import MsgspecFormatter


class JSONFormatter(MsgspecFormatter):
    """A line's `time` in RFC 3339 with milliseconds, UTC; then level, logger, message and what the caller adds."""

    def __init__(self) -> None:
        super().__init__(
            ["levelname", "name", "message"],
            timestamp="time",
            rename_fields={"levelname": "level", "name": "logger", "exc_info": "exception"},
        )


def configure(level: str, *, json: bool = True) -> None:
    """Send every logger's lines to standard error, as JSON or, for people, as text."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONFormatter() if json else logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.access").disabled = True

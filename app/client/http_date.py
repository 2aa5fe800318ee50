"""Dates in HTTP header fields."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def parse(text: str) -> datetime | None:
    """Return the moment that an HTTP date stands for (RFC 9110, section 5.6.7), None for anything else."""
    try:
        parsed = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)

"""The log line of a request."""

from app.logs import Line


class AccessLine(Line, kw_only=True):
    """The log line of a request, also of one that was refused before it reached the application."""

    request_id: str
    client: str | None
    """The client's address: that of the connection, or what a trusted proxy says."""
    method: str
    route: str | None
    status: int
    duration_ms: float
    key_id: str | None
    """The id of the key; with status 401, of the one that was tried."""
    trace_id: str | None

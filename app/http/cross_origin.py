"""Lets pages of other origins call the API (the CORS protocol of the WHATWG Fetch standard).

Litestar's own middleware would miss the answers that are made around Litestar: preflights, and refusals of requests
that never reach it.
"""

from collections.abc import Mapping, Sequence

from litestar.config.cors import CORSConfig

from app.settings import Settings

Headers = list[tuple[bytes, bytes]]

EXPOSED = [
    "Accept-Patch",
    "Allow",
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "Preference-Applied",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-ID",
]
"""Response headers that a page may read, beside those that every page may."""
MAX_AGE_S = 3600
"""Seconds for which a browser keeps the answer to a preflight."""
_OF_PREFLIGHT = (b"access-control-allow-methods", b"access-control-max-age")
"""What a preflight's answer has beyond any other."""
_VARY = (b"vary", b"Origin")


class CrossOrigin:
    """The headers that tell a browser which origins may call; `origins` are as browsers send them, or only `*`."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._config = CORSConfig(allow_origins=list(origins), expose_headers=EXPOSED, max_age=MAX_AGE_S)
        self._allowed = frozenset(origin.encode() for origin in origins)
        self._simple = _encode(self._config.simple_headers)
        self._preflight = [field for field in _encode(self._config.preflight_headers) if field[0] in _OF_PREFLIGHT]

    @classmethod
    def of(cls, settings: Settings) -> "CrossOrigin | None":
        """Return the headers for the origins in CORS_ORIGINS, or None where there are none."""
        origins = settings.read_origins()
        return cls(origins) if origins else None

    def headers(self, origin: bytes | None) -> Headers:
        """Return the headers of an answer to a request of this origin, or of one that names none."""
        if self._config.is_allow_all_origins:
            return self._simple
        if origin in self._allowed:
            return [*self._simple, (b"access-control-allow-origin", origin), _VARY]
        return [_VARY]

    def headers_of_refusal(self, fields: Mapping[bytes, bytes]) -> Headers:
        """Return the headers of a refusal of a request of which these fields have arrived.

        Where the Origin may be yet to come, it is taken for the only one that is allowed; the browser compares the two.
        """
        origin = fields.get(b"origin")
        if origin is None and len(self._allowed) == 1:
            (origin,) = self._allowed
        return self.headers(origin)

    def preflight(self, fields: Mapping[bytes, bytes]) -> Headers | None:
        """Return the further headers that allow what a browser asks about; None where it asks nothing, or may not."""
        allowed = self._config.is_allow_all_origins or fields.get(b"origin") in self._allowed
        if not allowed or b"access-control-request-method" not in fields:
            return None
        asked = fields.get(b"access-control-request-headers")
        return [*self._preflight, *([(b"access-control-allow-headers", asked)] if asked else [])]


def _encode(headers: Mapping[str, str]) -> Headers:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]

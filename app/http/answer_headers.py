"""Headers that every answer has, and those that tell browsers what a page may do (OWASP REST Security Cheat Sheet)."""

import base64
import hashlib

NO_SNIFFING = (b"x-content-type-options", b"nosniff")
HSTS = (b"strict-transport-security", b"max-age=31536000")
"""For a year; only where the client came by HTTPS (RFC 6797, section 7.2)."""

_NAME = b"content-security-policy"
_ALWAYS = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
DATA_POLICY = (_NAME, _ALWAYS.encode())
EVERY_ANSWER = (NO_SNIFFING,)
"""What the middleware and `refusal.py` add to each answer, beside a content security policy."""


def page_policy(*sources: str) -> tuple[bytes, bytes]:
    """Return the policy of an HTML page, which may load what `sources` allow; endpoints have it as `opt["policy"]`."""
    return _NAME, "; ".join((_ALWAYS, *sources)).encode()


def inline(content: str) -> str:
    """Return the source that allows one inline script or style: its hash (CSP Level 3, section 2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"

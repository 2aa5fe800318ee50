"""The icon that browsers show in a tab."""

from importlib.resources import files

from litestar import get
from litestar.datastructures import CacheControlHeader

_SVG = (files("app.http") / "favicon.svg").read_bytes()


@get(
    ["/favicon.svg", "/favicon.ico"],  # the second is what browsers ask for beside JSON, which links to none
    media_type="image/svg+xml",
    cache_control=CacheControlHeader(public=True, max_age=86_400),
    include_in_schema=False,
    sync_to_thread=False,
)
def favicon() -> bytes:
    """Send the icon."""
    return _SVG

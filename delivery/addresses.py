"""The addresses in an overlay's settings that the monitoring chart uses, before anything is installed with them."""

from pathlib import Path
from urllib.parse import urlsplit

from delivery import chart
from delivery.checkout import OVERLAYS
from delivery.errors import DeliveryError

PAGES = ("grafana", "alertmanager", "prometheus")
WATCHDOG = "watchdog"
EXAMPLES = ("example", "example.com", "example.net", "example.org", "invalid", "test")
"""Names that nobody can have: https://www.rfc-editor.org/rfc/rfc6761"""
INSIDE = ("localhost", "svc", "cluster.local", "internal")


def check(root: Path, environment: str) -> list[str]:
    """Return a sentence for each address that will not do what it is for; none where the overlay has no settings.

    Raises:
        DeliveryError: one is missing, or no http or https address.
    """
    path = root / OVERLAYS / environment / chart.SETTINGS
    if not path.is_file():
        return []
    settings, place = chart.load(path), f"{OVERLAYS}/{environment}/{chart.SETTINGS}"
    for name in (*PAGES, WATCHDOG):
        refuse_unusable(f"{place}: {name}", settings.get(name), is_page=name in PAGES)
    host = urlsplit(settings[WATCHDOG]).hostname or ""
    nobody = "so nobody hears it when all of monitoring dies. monitoring/README.md says what must be there."
    if is_under(host, EXAMPLES):
        return [f"{place}: {WATCHDOG} is still the example {settings[WATCHDOG]}, {nobody}"]
    if is_under(host, INSIDE) or "." not in host.strip("."):
        return [f"{place}: {WATCHDOG} is {settings[WATCHDOG]}, which is not outside the cluster, {nobody}"]
    return []


def refuse_unusable(what: str, address: object, *, is_page: bool) -> None:
    """Refuse what is no address.

    Raises:
        DeliveryError: it is none, or is a page's and ends with a slash, to which links would add another.
    """
    try:
        parts = urlsplit(address if isinstance(address, str) else "")
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and not set(str(address)) & set(" \t\n")
        _ = parts.port  # raises ValueError for one that is none
    except ValueError:
        is_usable = False
    if not is_usable:
        raise DeliveryError(f"{what} must be an address that begins with https:// or http://, not {address!r}.")
    if is_page and str(address).endswith("/"):
        raise DeliveryError(f"{what} must not end with a slash, as {address!r} does.")


def is_under(host: str, domains: tuple[str, ...]) -> bool:
    return any(host == each or host.endswith(f".{each}") for each in domains)

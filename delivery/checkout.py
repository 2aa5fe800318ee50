"""Where things are in a checkout."""

from pathlib import Path

from delivery.errors import DeliveryError

ROOT = Path(__file__).resolve().parent.parent


def overlays(root: Path = ROOT) -> list[str]:
    """Names of the overlays in the checkout at `root`, sorted.

    Raises:
        DeliveryError: there are none.
    """
    names = sorted(path.parent.name for path in root.glob("overlays/*/kustomization.yaml"))
    if not names:
        raise DeliveryError(f"No overlays/*/kustomization.yaml under {root}: run this in a checkout.")
    return names

"""The invalid manifests: each is a kustomization that spoils one thing of a valid overlay."""

import shutil
from pathlib import Path

import yaml

from delivery.checkout import ROOT

INVALID = Path(__file__).parent / "invalid"


def spoil(name: str, folder: Path) -> str:
    """Copy the sources to `folder`, with `invalid/<name>.yaml` as the overlay `spoiled`.

    Returns:
        The name of the overlay that it spoils.
    """
    for part in ("base", "monitoring", "overlays"):
        shutil.copytree(ROOT / part, folder / part)
    shutil.copy(ROOT / "delivery.yaml", folder)
    (folder / "overlays" / "spoiled").mkdir()
    shutil.copy(INVALID / f"{name}.yaml", folder / "overlays" / "spoiled" / "kustomization.yaml")
    kustomization = yaml.safe_load((INVALID / f"{name}.yaml").read_text())
    return Path(kustomization["resources"][0]).name

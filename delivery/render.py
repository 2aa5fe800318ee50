"""What an overlay becomes: the YAML that is sent to the cluster."""

from pathlib import Path

from delivery.checkout import ROOT, run
from delivery.errors import DeliveryError


def render(overlay: str, root: Path = ROOT) -> str:
    """Render `overlay` of the checkout at `root` to one YAML stream, ordered as kustomize orders it.

    Raises:
        DeliveryError: kustomize fails, or warns: its warnings are deprecations and lost settings.
    """
    result = run("kustomize", "build", root / "overlays" / overlay)
    if result.returncode or result.stderr:
        raise DeliveryError(f"Overlay {overlay} does not render: {result.stderr.strip()}")
    return result.stdout


def write(names: list[str], out: Path) -> list[Path]:
    """Render each overlay to `<name>.yaml` in the folder `out`, made if need be; all are written or none.

    Raises:
        DeliveryError: one of them does not render.
    """
    texts = {name: render(name) for name in names}
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (out / f"{name}.yaml").write_text(text)
    return [out / f"{name}.yaml" for name in texts]

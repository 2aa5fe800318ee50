"""What an overlay becomes: the YAML that is sent to the cluster."""

import re
from pathlib import Path

from delivery.checkout import ROOT
from delivery.errors import DeliveryError
from delivery.tools import kustomize

MISSING = re.compile(r"fieldPath `(.+)` is missing for replacement source Settings")
REMOTE = re.compile(
    r"(?:resources from '|Get \")([^'\"]+).*(?:proxyconnect tcp: |transport '.+' not allowed)", re.DOTALL
)


def render(overlay: str, root: Path = ROOT) -> str:
    """Render `overlay` of the checkout at `root` to one YAML stream, ordered as kustomize orders it.

    Only from files: what another machine serves may be another thing when the same commit is rendered again.

    Raises:
        DeliveryError: kustomize fails, or warns: its warnings are deprecations and lost settings.
    """
    result = kustomize.build(root / "overlays" / overlay)
    if result.returncode or result.stderr:
        reason = result.stderr.strip().removeprefix("Error: ")
        if missing := MISSING.search(reason):
            reason = f"give {missing[1]} in overlays/{overlay}/settings.yaml."
        elif remote := REMOTE.search(reason):
            reason = f"{remote[1]} is not a file of this checkout: copy what it serves to one, and name that."
        raise DeliveryError(f"Overlay {overlay} does not render: {reason}")
    return result.stdout


def write(names: list[str], out: Path) -> list[Path]:
    """Render each overlay to `<name>.yaml` in the folder `out`, made if need be; none where one fails to render.

    Raises:
        DeliveryError: one of them does not render, or the folder cannot be written to.
    """
    texts = {name: render(name) for name in names}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (out / f"{name}.yaml").write_text(text)
    except OSError as error:
        raise DeliveryError(f"Cannot write to {out}: {error.strerror}. Choose another folder with --out.") from None
    return [out / f"{name}.yaml" for name in texts]

"""What an overlay becomes: the YAML that is sent to the cluster."""

import re
from pathlib import Path
from typing import NamedTuple

from delivery.checkout import OVERLAYS, ROOT
from delivery.errors import DeliveryError
from delivery.kustomizations import ELSEWHERE, Kustomizations, failure
from delivery.tools import kustomize

MISSING = re.compile(r"fieldPath `(.+)` is missing for replacement source Settings")
REMOTE = re.compile(
    r"(?:resources from '|Get \")([^'\"]+).*(?:proxyconnect tcp: |transport '.+' not allowed)", re.DOTALL
)


class RenderError(DeliveryError):
    """What kustomize says of its failure, which may hold the value of a Secret: `failures` says what may be shown."""


class Rendering(NamedTuple):
    """What an overlay renders to, and what kustomize warns of: deprecated fields, settings without effect."""

    text: str
    warnings: tuple[str, ...] = ()


def render(overlay: str, root: Path = ROOT) -> str:
    """Render `overlay` of the checkout at `root` to one YAML stream, ordered as kustomize orders it.

    Only from files: what another machine serves may be another thing when the same commit is rendered again.

    Raises:
        RenderError: kustomize fails, or warns: its warnings are deprecations and lost settings.
    """
    text, warnings = build(overlay, root / OVERLAYS / overlay)
    if warnings:
        raise RenderError(failure(overlay, "\n".join(warnings)))
    return text


def render_within(overlay: str, tree: Kustomizations) -> Rendering:
    """Render an overlay of any tree, from the files of the tree alone.

    Raises:
        DeliveryError: kustomize fails, or the overlay names something outside of the tree.
    """
    tree.refuse_foreign(overlay)
    return build(overlay, tree.root / tree.overlays[overlay])


def build(overlay: str, folder: Path) -> Rendering:
    """Render the kustomization in a folder; `overlay` is its name in messages.

    Raises:
        DeliveryError: kustomize fails.
    """
    result = kustomize.build(folder)
    said = result.stderr.strip()
    if not result.returncode:
        return Rendering(result.stdout, tuple(line.removeprefix("# ") for line in said.splitlines() if line))
    reason = said.removeprefix("Error: ")
    if missing := MISSING.search(reason):
        reason = f"give {missing[1]} in overlays/{overlay}/settings.yaml."
    elif remote := REMOTE.search(reason):
        reason = ELSEWHERE.format(remote[1])
    raise RenderError(failure(overlay, reason))


def write(texts: dict[str, str], out: Path) -> list[Path]:
    """Write each overlay's render to `<name>.yaml` in the folder `out`, made if need be.

    Raises:
        DeliveryError: the folder cannot be written to.
    """
    paths = {out / f"{name}.yaml": text for name, text in texts.items()}
    try:
        for path, text in paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    except OSError as error:
        raise DeliveryError(f"Cannot write to {out}: {error.strerror}. Choose another folder with --out.") from None
    return list(paths)

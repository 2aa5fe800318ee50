"""Where things are in a checkout, and the field's tools that `make` builds into it."""

import os
import subprocess
from collections.abc import Mapping
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


def git(root: Path, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run git on the repository at `root`, whatever its exit status; `env` is added to the environment.

    Raises:
        DeliveryError: there is no git.
    """
    command = ["git", "-C", str(root), *arguments]
    try:
        return subprocess.run(command, env={**os.environ, **(env or {})}, capture_output=True, check=False)
    except FileNotFoundError:
        raise DeliveryError("There is no git here: install it.") from None


def run(
    tool: str, *arguments: str | Path, stdin: str | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one of the tools in .tools/bin, whatever its exit status; `env` is added to the environment.

    Raises:
        DeliveryError: the tool was not built, or does not start.
    """
    program = ROOT / ".tools" / "bin" / tool
    if not program.exists():
        target = "helm" if tool == "helm" else "tools"
        raise DeliveryError(f"{tool} is not built yet: run `make {target}` first.")
    try:
        # whatever the locale: they write UTF-8, but for the names of files that are none
        return subprocess.run(
            [program, *arguments],
            input=stdin,
            env={**os.environ, **(env or {})},
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise DeliveryError(f"{tool} does not start: {error.strerror}; run `make clean tools`.") from None

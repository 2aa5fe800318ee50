"""Finds a third-party program, and runs it."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from delivery.checkout import ROOT
from delivery.errors import ToolError

SHORT_LIVED = {"GOGC": "off", "GOMEMLIMIT": "1GiB"}
"""For programs in Go that end soon: without collecting garbage they take a third less processor time."""

PATH = "PATH"
BUILT = ".tools/bin"


class Source(NamedTuple):
    """Where a program may be, and the target of make that builds it ("": none does)."""

    places: tuple[str, ...]
    """PATH, or folders of the checkout; the first that has the program wins."""
    target: str = ""


SOURCES = {
    # the version decides what a render is, so no other will do
    "kustomize": Source((BUILT,), "tools"),
    "kubeconform": Source((BUILT,), "tools"),
    "amtool": Source((BUILT,), "monitoring"),
    "promtool": Source((BUILT,), "monitoring"),
    "crane": Source((BUILT,), "crane"),
    # the runner of a review has one, and builds none
    "helm": Source((BUILT, PATH), "helm"),
    # the machine's fits its cluster
    "kubectl": Source((PATH, ".tools/controlplane"), "controlplane"),
    "git": Source((PATH,)),
}


def find(name: str) -> str:
    """Path of a program of SOURCES.

    Raises:
        ToolError: it is in none of its places; says what to run.
    """
    places, target = SOURCES[name]
    for place in places:
        if found := shutil.which(name) if place == PATH else built(ROOT / place / name):
            return found
    if PATH not in places:
        raise ToolError(f"{name} is not built yet: run `make {target}` first.")
    build = f", or build it with `make {target}`" if target else ""
    raise ToolError(f"There is no {name} here: install it{build}.")


def built(path: Path) -> str | None:
    return str(path) if path.exists() else None


def run(
    name: str,
    *arguments: str | Path,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_s: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program of SOURCES, whatever its exit status; `env` is added to the environment.

    Raises:
        ToolError: it is not here, or does not start.
        TimeoutError: it has not ended within `timeout_s`.
    """
    try:
        # whatever the locale: they write UTF-8, but for the names of files that are none, and what a container logged
        return subprocess.run(
            [find(name), *arguments],
            input=stdin,
            env={**SHORT_LIVED, **os.environ, **(env or {})},
            cwd=cwd,
            timeout=timeout_s,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"no answer within {timeout_s:.0f} s") from None
    except OSError as error:
        raise ToolError(f"{name} does not start: {error.strerror}; run `make clean tools`.") from None

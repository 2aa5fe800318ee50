"""The monitoring chart: rendered where Helm is at hand, else its values files stand for it.

Its name and version are those of monitoring/chart/pin.yaml at the commit that is rendered.
"""

import shutil
import subprocess
from functools import cache
from pathlib import Path

import yaml

from delivery.checkout import ROOT
from delivery.deploy.chart_release import RELEASE
from delivery.errors import DeliveryError
from delivery.manifests import Object
from delivery.review.yaml_text import unfit
from delivery.secrets import MONITORING

VALUES = Path("monitoring", "chart")
PREFIX = "chart-"
PIN = VALUES / "pin.yaml"


def helm() -> str | None:
    """The program, on PATH or as `make` built it."""
    return shutil.which("helm") or shutil.which("helm", path=str(ROOT / ".tools" / "bin"))


def names(folder: Path) -> list[str]:
    """`chart-dev`, `chart-main`: one for each environment that has values."""
    return sorted(
        PREFIX + path.stem.removeprefix("values-")
        for path in (folder / VALUES).glob("values-*.yaml")
        if (folder / VALUES / "values.yaml").exists()
    )


def values_files(name: str) -> list[Path]:
    return [VALUES / "values.yaml", VALUES / f"values-{name.removeprefix(PREFIX)}.yaml"]


def render(name: str, folder: Path) -> str:
    """What the chart renders to with the values of one environment.

    Raises:
        DeliveryError: Helm refuses the values, or no version is pinned.
    """
    pinned = pin(folder)
    options = [option for path in values_files(name) for option in ("-f", str(path))]
    result = run_helm(
        folder, "template", RELEASE, *source(pinned), "--namespace", MONITORING, "--include-crds", *options
    )
    if result.returncode:
        raise DeliveryError(f"{name} does not render: {result.stderr.strip()}")
    return result.stdout


def values(name: str, folder: Path) -> str:
    """The values files as objects of a kind of their own, so that their change is shown like any other."""
    return "---\n".join(
        yaml.safe_dump({
            "apiVersion": "",
            "kind": "HelmValues",
            "metadata": {"name": str(path)},
            "values": load(folder / path),
        })
        for path in values_files(name)
    )  # fmt: skip


def load(path: Path) -> Object:
    try:
        loaded = yaml.load(path.read_text("utf-8"), yaml.CSafeLoader)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DeliveryError(f"{'/'.join(path.parts[-3:])} cannot be read: {reason}") from None
    if reason := unfit(loaded):
        raise DeliveryError(f"{'/'.join(path.parts[-3:])} {reason}.")
    return loaded if isinstance(loaded, dict) else {}


def unavailable(folder: Path) -> str:
    """Why the chart that `folder` pins cannot be rendered here, as a sentence; "" where it can."""
    if not names(folder):
        return ""
    if helm() is None:
        return "The monitoring chart was not rendered, as there is no helm here; its values files are shown instead."
    try:
        pinned = pin(folder)
    except DeliveryError as error:
        return f"The monitoring chart was not rendered; its values files are shown instead. {error.message}"
    if reason := not_had(pinned["chart"], pinned["version"], folder):
        return (
            f"The monitoring chart {pinned['chart']} {pinned['version']} was not rendered, as it could not be had "
            f"({reason}); its values files are shown instead."
        )
    return ""


def same(before: Path, after: Path) -> bool:
    """Whether both commits have the same values for the same chart from a registry: then it need not be fetched."""
    old, new = (
        {path.name: path.read_bytes() for path in (each / VALUES).glob("*.yaml") if path.is_file()}
        for each in (before, after)
    )
    return old == new and b" oci://" in old.get(PIN.name, b"")


def pin(folder: Path) -> dict[str, str]:
    """The chart and its version.

    Raises:
        DeliveryError: the commit in `folder` does not say them.
    """
    pinned = load(folder / PIN) if (folder / PIN).exists() else {}
    if not all(isinstance(pinned.get(key), str) for key in ("chart", "version")):
        raise DeliveryError(f"{PIN} must say `chart` and `version`, both as text.")
    if pinned["chart"].startswith("-"):  # Helm would take it for an option, such as one that runs a program
        raise DeliveryError(f"{PIN} must say a chart's address or folder as `chart`, not {pinned['chart']!r}.")
    return pinned


def source(pinned: dict[str, str]) -> list[str]:
    return [pinned["chart"], "--version", pinned["version"]]


@cache
def not_had(chart: str, version: str, folder: Path) -> str:
    shown = run_helm(folder, "show", "chart", chart, "--version", version)
    return " ".join(shown.stderr.split())[:300] if shown.returncode else ""


def run_helm(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(helm()), *arguments], cwd=folder, capture_output=True, encoding="utf-8", errors="replace", check=False
    )

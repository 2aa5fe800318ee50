"""The monitoring chart: which one is pinned, its values, and what they render to."""

import re
from functools import cache
from pathlib import Path

import yaml

from delivery import manifests
from delivery.errors import DeliveryError
from delivery.manifests import Object, unfit
from delivery.tools import helm

RELEASE = NAMESPACE = "monitoring"
FOLDER = Path("monitoring", "chart")
PIN = FOLDER / "pin.yaml"
REGISTRY = "oci://"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def environments(root: Path) -> list[str]:
    """`dev`, `main`: the environments that have values in the checkout at `root`."""
    return sorted(
        path.stem.removeprefix("values-")
        for path in (root / FOLDER).glob("values-*.yaml")
        if (root / FOLDER / "values.yaml").exists()
    )


def values_files(environment: str) -> list[Path]:
    """In the order in which Helm merges them, from the root of a checkout."""
    return [FOLDER / "values.yaml", FOLDER / f"values-{environment}.yaml"]


def load(path: Path) -> Object:
    """One of the chart's files; empty where it holds no mapping.

    Raises:
        DeliveryError: it cannot be read, or is too large.
    """
    try:
        loaded = manifests.load(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DeliveryError(f"{'/'.join(path.parts[-3:])} cannot be read: {reason}") from None
    if reason := unfit(loaded):
        raise DeliveryError(f"{'/'.join(path.parts[-3:])} {reason}.")
    return loaded if isinstance(loaded, dict) else {}


def pin(root: Path) -> dict[str, str]:
    """The chart, its version and, once it is pinned, its digest, as the checkout at `root` says them.

    Raises:
        DeliveryError: it does not say them.
    """
    pinned = load(root / PIN) if (root / PIN).exists() else {}
    if not all(isinstance(pinned.get(key), str) for key in ("chart", "version")):
        raise DeliveryError(f"{PIN} must say `chart` and `version`, both as text.")
    if pinned["chart"].startswith("-"):  # Helm would take it for an option, such as one that runs a program
        raise DeliveryError(f"{PIN} must say a chart's address or folder as `chart`, not {pinned['chart']!r}.")
    if "digest" in pinned and not (is_of_registry(pinned) and DIGEST.fullmatch(str(pinned["digest"]))):
        raise DeliveryError(f"{PIN}: `digest` must be that of a chart in a registry, as `make pins` writes it.")
    return pinned


def source(pinned: dict[str, str]) -> list[str]:
    """Helm's arguments for a pinned chart. It refuses a digest that is not the version's."""
    at = f"@{pinned['digest']}" if "digest" in pinned else ""
    return [f"{pinned['chart']}{at}", f"--version={pinned['version']}"]


def is_of_registry(pinned: dict[str, str]) -> bool:
    return pinned["chart"].startswith(REGISTRY)


def refuse_unpinned(pinned: dict[str, str]) -> None:
    """Refuse to install what may have changed since it was tested: a version can be pushed again with other content.

    Raises:
        DeliveryError: the chart is in a registry, and its digest is not pinned.
    """
    if is_of_registry(pinned) and "digest" not in pinned:
        raise DeliveryError(
            f"{PIN} names the chart by its version, which can be pushed again with other content. Run `make pins`,"
            " and commit the digest that it writes."
        )


def render(environment: str, root: Path) -> str:
    """What the chart renders to with the values of one environment.

    Raises:
        DeliveryError: Helm refuses the values, or no version is pinned.
    """
    options = [option for path in values_files(environment) for option in ("-f", str(path))]
    result = helm.run(
        "template", RELEASE, *source(pin(root)), "--namespace", NAMESPACE, "--include-crds", *options, folder=root
    )
    if result.returncode:
        raise DeliveryError(f"chart-{environment} does not render: {result.stderr.strip()}")
    return result.stdout


@cache
def unreachable(root: Path, *source: str) -> str:
    """What Helm says where it cannot have a chart; "" where it can."""
    shown = helm.run("show", "chart", *source, folder=root)
    return " ".join(shown.stderr.split())[:300] if shown.returncode else ""

"""The monitoring chart: which one is pinned, its values, and what they render to."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from delivery import manifests
from delivery.checkout import OVERLAYS
from delivery.errors import DeliveryError
from delivery.manifests import Object, unfit
from delivery.tools import helm

RELEASE = NAMESPACE = "monitoring"
FOLDER = Path("monitoring", "chart")
PIN = FOLDER / "pin.yaml"
REGISTRY = "oci://"
SETTINGS = "settings.yaml"
SETTING = re.compile(r"\$\{settings\.(\w+)\}")
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


def load_values(root: Path, environment: str) -> dict[Path, Object]:
    """The values files of an environment, in the order in which Helm merges them, with the settings filled in.

    Where a text is `${settings.NAME}`, overlays/<environment>/settings.yaml says what stands there. A checkout
    without that file keeps the text.

    Raises:
        DeliveryError: a file cannot be read, or the settings lack what the values want.
    """
    path = root / OVERLAYS / environment / SETTINGS
    chosen = load(path) if path.is_file() else None

    def fill(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: fill(value) for key, value in part.items()}
        if isinstance(part, list):
            return [fill(each) for each in part]
        return SETTING.sub(setting, part) if isinstance(part, str) and chosen is not None else part

    def setting(wanted: re.Match[str]) -> str:
        found = chosen.get(wanted[1]) if chosen else None
        if not isinstance(found, str):
            raise DeliveryError(
                f"The monitoring chart's values want {wanted[1]}: give it in overlays/{environment}/settings.yaml."
            )
        return found

    return {each: fill(load(root / each)) for each in values_files(environment)}


def merge(under: Object, over: Object) -> Object:
    """Values of two files as Helm merges them: mappings key by key, all else as a whole, and null takes away."""
    both = {**under, **over}
    for key in under.keys() & over.keys():
        if isinstance(under[key], dict) and isinstance(over[key], dict):
            both[key] = merge(under[key], over[key])
    return {key: value for key, value in both.items() if value is not None}


@contextmanager
def options(root: Path, environment: str) -> Iterator[list[str]]:
    """Helm's options for the values of an environment, which are files as long as the block lasts.

    Raises:
        DeliveryError: a file cannot be read, or the settings lack what the values want.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = []
        for path, values in load_values(root, environment).items():
            (Path(folder) / path.name).write_text(yaml.safe_dump(values, allow_unicode=True), "utf-8")
            made.append(f"--values={folder}/{path.name}")
        yield made


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
        DeliveryError: Helm refuses the values, no version is pinned, or the settings lack what the values want.
    """
    with options(root, environment) as values:
        result = helm.run(
            "template", RELEASE, *source(pin(root)), "--namespace", NAMESPACE, "--include-crds", *values, folder=root
        )
    if result.returncode:
        raise DeliveryError(f"chart-{environment} does not render: {result.stderr.strip()}")
    return result.stdout


@cache
def unreachable(root: Path, *source: str) -> str:
    """What Helm says where it cannot have a chart; "" where it can."""
    shown = helm.run("show", "chart", *source, folder=root)
    return " ".join(shown.stderr.split())[:300] if shown.returncode else ""

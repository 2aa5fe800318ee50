"""The monitoring chart in a review: rendered where Helm is at hand, else its values files stand for it."""

from pathlib import Path

from delivery import chart, yaml_writer
from delivery.checkout import OVERLAYS
from delivery.errors import DeliveryError
from delivery.manifests import Object
from delivery.tools import helm

PREFIX = "chart-"


def names(folder: Path) -> list[str]:
    """`chart-dev`, `chart-main`: one for each environment that has values."""
    return [PREFIX + each for each in chart.environments(folder)]


def load_values(name: str, folder: Path) -> dict[Path, Object]:
    return chart.load_values(folder, name.removeprefix(PREFIX))


def render(name: str, folder: Path) -> str:
    """What the chart renders to with the values of one environment."""
    return chart.render(name.removeprefix(PREFIX), folder)


def values(name: str, folder: Path) -> str:
    """The values files as objects of a kind of their own, so that their change is shown like any other."""
    return "---\n".join(
        yaml_writer.dump({
            "apiVersion": "",
            "kind": "HelmValues",
            "metadata": {"name": str(path)},
            "values": loaded,
        })
        for path, loaded in load_values(name, folder).items()
    )  # fmt: skip


def unavailable(folder: Path) -> str:
    """Why the chart that `folder` pins cannot be rendered here, as a sentence; "" where it can."""
    if not names(folder):
        return ""
    if not has_helm():
        return "The monitoring chart was not rendered, as there is no helm here; its values files are shown instead."
    try:
        pinned = chart.pin(folder)
    except DeliveryError as error:
        return f"The monitoring chart was not rendered; its values files are shown instead. {error.message}"
    if reason := chart.unreachable(folder, *chart.source(pinned)):
        return (
            f"The monitoring chart {pinned['chart']} {pinned['version']} was not rendered, as it could not be had "
            f"({reason}); its values files are shown instead."
        )
    return ""


def has_helm() -> bool:
    return helm.is_here()


def same(before: Path, after: Path) -> bool:
    """Whether both commits have the same values for the same chart from a registry: then it need not be fetched."""
    old, new = (
        {
            path.relative_to(each): path.read_bytes()
            for path in [*(each / chart.FOLDER).glob("*.yaml"), *(each / OVERLAYS).glob(f"*/{chart.SETTINGS}")]
            if path.is_file()
        }
        for each in (before, after)
    )
    return old == new and b" oci://" in old.get(chart.PIN, b"")

"""`make pins`, and Helm with a pinned chart, against a real registry."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from delivery import chart
from delivery.checkout import ROOT
from delivery.errors import DeliveryError
from delivery.tools import helm, program
from tests.support.registry import digest, registry

pytestmark = pytest.mark.slow

DIGEST = f"sha256:{'0' * 64}"


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with registry() as found:
        yield found


@pytest.fixture
def charts(host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A repository with the chart that stands in, as version 88.5.3."""
    for home in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"):
        monkeypatch.setenv(home, str(tmp_path / home))
    return push_chart(ROOT / "tests" / "data" / "chart", tmp_path, f"oci://{host}/{os.urandom(4).hex()}")


def push_chart(folder: Path, out: Path, repository: str) -> str:
    helm.output("package", str(folder), f"--destination={out}")
    helm.output("push", str(out / "stand-in-88.5.3.tgz"), repository, "--plain-http")
    return f"{repository}/stand-in"


def test_base_image_and_chart_are_pinned_to_what_their_versions_are(host: str, charts: str, tmp_path: Path) -> None:
    base = f"{host}/library/python:3.13-slim"
    program.run("crane", "append", f"--new_tag={base}", f"--new_layer={layer(tmp_path)}")
    dockerfile, pin = tmp_path / "Dockerfile", tmp_path / "pin.yaml"
    for before in ("", f"@{DIGEST}"):  # pinned for the first time, and again
        text = (ROOT / "Dockerfile").read_text()
        dockerfile.write_text(re.sub(r"(?m)^FROM \S+ AS base$", f"FROM {base}{before} AS base", text))
        old = f"digest: {before[1:]}\n" if before else ""
        pin.write_text(f"# a comment\nchart: {charts}\nversion: 88.5.3\n{old}")
        command = ["make", "pins", f"DOCKERFILE={dockerfile}", f"CHART_PIN={pin}"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        expected = f"FROM {base}@{digest(base)} AS base"
        assert dockerfile.read_text() == re.sub(r"(?m)^FROM \S+ AS base$", expected, text)
        made = digest(f"{charts.removeprefix('oci://')}:88.5.3")
        assert pin.read_text() == f"# a comment\nchart: {charts}\nversion: 88.5.3\ndigest: {made}\n"


def layer(folder: Path) -> Path:
    path = folder / "layer.tar"
    subprocess.run(["tar", "--create", f"--file={path}", "--files-from=/dev/null"], check=True)
    return path


def test_a_version_that_was_pushed_again_is_refused(charts: str, tmp_path: Path) -> None:
    made = digest(f"{charts.removeprefix('oci://')}:88.5.3")
    source = chart.source({"chart": charts, "version": "88.5.3", "digest": made})
    assert "version: 88.5.3" in helm.output("show", "chart", *source, "--plain-http")
    other = shutil.copytree(ROOT / "tests" / "data" / "chart", tmp_path / "other")
    (other / "templates" / "more.yaml").write_text("kind: ConfigMap\n")
    push_chart(other, tmp_path, charts.rpartition("/")[0])
    with pytest.raises(DeliveryError, match="chart reference digest mismatch"):
        helm.output("show", "chart", *source, "--plain-http")


def pinned(folder: Path, **pin: str) -> dict[str, str]:
    (folder / chart.FOLDER).mkdir(parents=True)
    (folder / chart.PIN).write_text(yaml.safe_dump(pin))
    return chart.pin(folder)


def test_only_a_pinned_chart_is_installed(tmp_path: Path) -> None:
    registered = {"chart": "oci://registry.example/charts/stack", "version": "1.0.0"}
    with pytest.raises(DeliveryError, match="names the chart by its version"):
        chart.refuse_unpinned(pinned(tmp_path / "version", **registered))
    chart.refuse_unpinned(pinned(tmp_path / "digest", **registered, digest=DIGEST))
    chart.refuse_unpinned(pinned(tmp_path / "folder", chart="./stack", version="1.0.0"))


@pytest.mark.parametrize(
    "pin",
    [
        {"chart": "oci://registry.example/stack", "version": "1.0.0", "digest": "sha256:abc"},
        {"chart": "oci://registry.example/stack", "version": "1.0.0", "digest": ""},
        {"chart": "./stack", "version": "1.0.0", "digest": DIGEST},
    ],
)
def test_a_digest_that_pins_nothing_is_refused(pin: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match="`digest` must be that of a chart in a registry"):
        pinned(tmp_path, **pin)

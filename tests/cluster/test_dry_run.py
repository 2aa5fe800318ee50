"""What the real API server says of a whole overlay before anything but its Namespace is there."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from delivery.kustomizations import overlays
from delivery.manifests import Render
from delivery.render import render
from tests.manifests.fixtures import spoil
from tests.support.cluster.controlplane import Cluster

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("overlays")]


@pytest.fixture(scope="module", autouse=True)
def namespaces(cluster: Cluster) -> Iterator[None]:
    """A dry run fails on objects of a namespace that does not exist, so it goes first."""
    renders = [Render.parse(overlay, render(overlay)) for overlay in overlays()]
    for each in renders:
        cluster.kubectl("apply", "--server-side", "--filename=-", stdin=yaml.safe_dump_all(each.of("Namespace")))
    yield
    cluster.remove_namespaces(*(each.namespace for each in renders))


def dry_run(cluster: Cluster, text: str) -> subprocess.CompletedProcess[str]:
    return cluster.run("apply", "--server-side", "--dry-run=server", "--filename=-", stdin=text)


@pytest.mark.parametrize("overlay", overlays())
def test_an_overlay_is_accepted_without_a_warning(cluster: Cluster, overlay: str) -> None:
    result = dry_run(cluster, render(overlay))
    assert (result.returncode, result.stderr) == (0, "")


def test_what_fits_every_schema_may_be_refused(cluster: Cluster, tmp_path: Path) -> None:
    spoil("api-server", tmp_path)
    result = dry_run(cluster, render("spoiled", tmp_path))
    assert result.returncode == 1
    assert 'spec.ports[1].name: Duplicate value: "http"' in result.stderr


def test_a_deployment_below_restricted_is_warned_of(cluster: Cluster, tmp_path: Path) -> None:
    spoil("pod-security", tmp_path)
    result = dry_run(cluster, render("spoiled", tmp_path))
    assert 'would violate PodSecurity "restricted:latest": forbidden AppArmor profile' in result.stderr

"""The control plane itself: what the tests that use it rely on."""

import re

import pytest

from delivery.checkout import ROOT
from delivery.policy.availability import ZONE
from tests.support.cluster.controlplane import ZONES, Cluster

pytestmark = pytest.mark.slow

PINS = ROOT / "tools" / "controlplane" / "go.mod"


def test_it_is_the_version_that_was_pinned(cluster: Cluster) -> None:
    pinned = re.search(r"^require k8s.io/kubernetes (\S+)$", PINS.read_text(), re.MULTILINE)
    assert pinned is not None
    assert f"Server Version: {pinned[1]}\n" in cluster.kubectl("version")


def test_there_is_a_ready_node_in_each_zone(cluster: Cluster) -> None:
    nodes = cluster.get("nodes")["items"]
    assert sorted(node["metadata"]["labels"][ZONE] for node in nodes) == sorted(ZONES)
    for node in nodes:
        conditions = {each["type"]: each["status"] for each in node["status"]["conditions"]}
        assert conditions["Ready"] == "True"


def test_custom_resources_are_known(cluster: Cluster) -> None:
    kinds = cluster.kubectl("api-resources", "--output=name").split()
    assert {"gateways.gateway.networking.k8s.io", "healthcheckpolicies.networking.gke.io"} <= set(kinds)

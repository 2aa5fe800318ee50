"""The control plane itself: what the tests that use it rely on."""

import pytest

from tests.cluster.controlplane import ZONES, Cluster

pytestmark = pytest.mark.slow


def test_it_is_the_version_that_was_pinned(cluster: Cluster) -> None:
    assert "Server Version: v1.36.3" in cluster.kubectl("version")


def test_there_is_a_ready_node_in_each_zone(cluster: Cluster) -> None:
    nodes = cluster.get("nodes")["items"]
    assert sorted(node["metadata"]["labels"]["topology.kubernetes.io/zone"] for node in nodes) == sorted(ZONES)
    for node in nodes:
        assert {"Ready": "True"}.items() <= {c["type"]: c["status"] for c in node["status"]["conditions"]}.items()


def test_custom_resources_are_known(cluster: Cluster) -> None:
    kinds = cluster.kubectl("api-resources", "--output=name").split()
    assert {"gateways.gateway.networking.k8s.io", "healthcheckpolicies.networking.gke.io"} <= set(kinds)

from collections.abc import Iterator

import pytest

from tests.cluster.controlplane import Cluster, control_plane


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A real control plane for the whole session. Tests that use it are slow, and remove what they made."""
    with control_plane(tmp_path_factory.mktemp("cluster")) as running:
        yield running

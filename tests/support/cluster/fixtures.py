from collections.abc import Iterator
from itertools import count

import pytest

from tests.support.cluster.controlplane import Cluster
from tests.support.cluster.shared import shared_control_plane

_numbers = count(1)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Cluster]:
    """A real control plane for the whole run. Its pods answer, crash and log as their image says (./kubelet.py).

    Tests that use it are slow, work in a namespace of their own, and remove what they made.
    """
    folder = tmp_path_factory.getbasetemp()
    with shared_control_plane((folder if worker_id == "master" else folder.parent) / "cluster") as running:
        yield running


@pytest.fixture
def namespace(cluster: Cluster, worker_id: str) -> Iterator[str]:
    """The name of a namespace that nobody else uses; it is removed with all that is in it."""
    name = f"test-{worker_id}-{next(_numbers)}"
    yield name
    cluster.kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=false")
    cluster.kubectl("delete", "pods", "--all", f"--namespace={name}", "--force", "--grace-period=0")

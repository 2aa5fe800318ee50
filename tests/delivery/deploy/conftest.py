from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.cluster.controlplane import Cluster, control_plane, free_ports
from tests.delivery.deploy.kubelet import write_stages
from tests.delivery.deploy.project import Project
from tests.delivery.deploy.server import pods_answer

numbers = count(1)
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")


@pytest.fixture(scope="session")
def deploy_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A control plane whose pods answer, crash and log as their image says (./kubelet.py)."""
    stages = tmp_path_factory.mktemp("stages")
    write_stages(stages)
    (port,) = free_ports(1)
    flags = ("--node-ip=127.0.0.1", f"--node-port={port}", f"--server-address=127.0.0.1:{port}")
    with pytest.MonkeyPatch.context() as patch:
        for name in PROXIES:  # through one the API server would ask for pods in vain
            patch.delenv(name, raising=False)
        with control_plane(tmp_path_factory.mktemp("cluster"), stages, *flags) as running:
            yield running


@pytest.fixture
def project(deploy_cluster: Cluster, tmp_path: Path) -> Iterator[Project]:
    namespace = f"deploy-{next(numbers)}"
    with pods_answer(deploy_cluster, namespace) as port:
        yield Project(tmp_path, deploy_cluster, namespace, port)
        deploy_cluster.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")
        deploy_cluster.kubectl("delete", "pods", "--all", f"--namespace={namespace}", "--force", "--grace-period=0")

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.delivery.deploy.project import Project
from tests.delivery.deploy.server import pods_answer
from tests.support.cluster.controlplane import Cluster
from tests.support.cluster.kubelet import UNHEALTHY


@pytest.fixture
def project(cluster: Cluster, namespace: str, tmp_path: Path) -> Iterator[Project]:
    sick = {UNHEALTHY}
    with pods_answer(cluster, namespace, sick) as port:
        yield Project(tmp_path, cluster, namespace, port, sick)

"""What a review takes for a change that must delete first, held against what a real API server refuses."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery.chart import merge
from delivery.manifests import Object
from delivery.review.dangers.lifecycle import recreation
from tests.support.cluster.controlplane import Cluster

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("immutable")]

CASES = yaml.safe_load(Path(__file__).with_name("immutable.yaml").read_text("utf-8"))
APPLY = ("apply", "--server-side", "--field-manager=test", "--filename=-")
NAMESPACE = "review-immutable"


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[str]:
    cluster.kubectl("create", "namespace", NAMESPACE)
    yield NAMESPACE
    cluster.remove_namespaces(NAMESPACE)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["object"]["kind"])
def test_the_server_refuses_it_too(case: Any, namespace: str, cluster: Cluster) -> None:
    before: Object = merge({"metadata": {"name": f"it-{CASES.index(case)}"}}, case["object"])
    where = f"--namespace={namespace}"
    cluster.kubectl(*APPLY, where, stdin=yaml.safe_dump(before))
    try:
        for changed in case["changes"]:
            after = merge(before, changed)
            answer = cluster.run(*APPLY, where, "--dry-run=server", stdin=yaml.safe_dump(after))
            assert bool(recreation(before, after)) == bool(answer.returncode), f"{changed}: {answer.stderr}"
    finally:
        cluster.kubectl("delete", where, "--filename=-", "--wait=false", stdin=yaml.safe_dump(before))

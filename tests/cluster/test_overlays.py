"""Each overlay on a real API server, applied by somebody who has only the manifests."""

from collections.abc import Iterator
from typing import Any

import pytest

from delivery.checkout import overlays
from delivery.objects import Render
from delivery.render import render
from tests.cluster.controlplane import Cluster

pytestmark = pytest.mark.slow

APPLY = ("apply", "--server-side", "--filename=-")


class Applied:
    """An overlay that was applied once, and what the API server said."""

    def __init__(self, cluster: Cluster, overlay: str) -> None:
        self.cluster = cluster
        self.text = render(overlay)
        self.namespace = Render.parse(overlay, self.text).namespace
        self.result = cluster.run(*APPLY, stdin=self.text)

    def get(self, *arguments: str) -> Any:
        return self.cluster.get(*arguments, f"--namespace={self.namespace}")

    def wait(self, what: str, condition: str, *more: str) -> None:
        arguments = (what, f"--for={condition}", f"--namespace={self.namespace}", *more)
        self.cluster.kubectl("wait", "--timeout=60s", *arguments)


@pytest.fixture(scope="module", params=overlays())
def applied(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Applied]:
    overlay = Applied(cluster, request.param)
    yield overlay
    cluster.remove_namespaces(overlay.namespace)


def test_it_is_accepted_whole_and_without_a_warning(applied: Applied) -> None:
    assert (applied.result.returncode, applied.result.stderr) == (0, "")


def test_the_deployment_rolls_out_with_a_pod_in_each_of_two_zones(applied: Applied) -> None:
    applied.wait("deployment/taskpulse-api", "jsonpath={.status.readyReplicas}=2")
    applied.wait("deployment/taskpulse-api", "condition=Progressing")
    pods = applied.get("pods")["items"]
    assert len({pod["spec"]["nodeName"] for pod in pods}) == len(pods) == 2


def test_a_second_apply_changes_nothing(applied: Applied) -> None:
    applied.wait("deployment/taskpulse-api", "jsonpath={.status.readyReplicas}=2")
    assert applied.cluster.kubectl("diff", "--server-side", "--filename=-", stdin=applied.text) == ""
    before = generations(applied)
    applied.cluster.kubectl(*APPLY, stdin=applied.text)
    assert generations(applied) == before


def generations(applied: Applied) -> dict[str, str]:
    """Each applied object's generation, or its resource version where it has none, by kind and name."""
    listed = applied.cluster.get("--filename=-", stdin=applied.text)["items"]
    return {
        f"{each['kind']}/{each['metadata']['name']}": str(
            each["metadata"].get("generation") or each["metadata"]["resourceVersion"]
        )
        for each in listed
    }


def test_the_pod_selectors_of_budget_and_service_find_the_pods(applied: Applied) -> None:
    applied.wait("pdb/taskpulse-api", "jsonpath={.status.currentHealthy}=2")
    applied.wait("endpointslice", "jsonpath={.endpoints[1].conditions.ready}=true", "--all")


def test_the_namespace_refuses_a_pod_below_restricted(applied: Applied) -> None:
    result = applied.cluster.run("run", "intruder", "--image=intruder", f"--namespace={applied.namespace}")
    assert result.returncode == 1
    assert 'violates PodSecurity "restricted:latest"' in result.stderr

"""Each overlay on a real API server, applied by somebody who has only the manifests."""

from collections.abc import Iterator
from typing import Any

import pytest

from delivery.checkout import ROOT
from delivery.kustomizations import overlays
from delivery.manifests import Render
from delivery.render import render
from tests.support.cluster.controlplane import PATIENCE_S, Cluster, wait

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("overlays")]

APPLY = ("apply", "--server-side", "--filename=-")


class Applied:
    """An overlay that was applied once, as overlays/README.md says it, and what the API server said."""

    def __init__(self, cluster: Cluster, overlay: str) -> None:
        self.cluster = cluster
        self.text = render(overlay)
        self.namespace = Render.parse(overlay, self.text).namespace
        self.result = cluster.run("apply", "--server-side", "-k", ROOT / "overlays" / overlay)

    def get(self, *arguments: str) -> Any:
        return self.cluster.get(*arguments, f"--namespace={self.namespace}")

    def wait(self, what: str, condition: str, *more: str) -> None:
        arguments = (what, f"--for={condition}", f"--namespace={self.namespace}", *more)
        self.cluster.kubectl("wait", f"--timeout={PATIENCE_S}s", *arguments)


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
    before = applied_objects(applied)
    applied.cluster.kubectl(*APPLY, stdin=applied.text)
    assert applied_objects(applied) == before


def applied_objects(applied: Applied) -> list[Any]:
    """Each applied object without its status, which the controllers write at any time."""
    listed: list[Any] = applied.cluster.get("--filename=-", stdin=applied.text)["items"]
    assert len(listed) == len(Render.parse("", applied.text).objects)
    for each in listed:
        each.pop("status", None)
        del each["metadata"]["resourceVersion"]
    return listed


def test_the_pod_selectors_of_budget_and_service_find_the_pods(applied: Applied) -> None:
    applied.wait("pdb/taskpulse-api", "jsonpath={.status.currentHealthy}=2")

    def both_are_ready() -> bool:
        slices = applied.get("endpointslices", "--selector=kubernetes.io/service-name=taskpulse-api")["items"]
        endpoints = [endpoint for each in slices for endpoint in each["endpoints"] or []]
        return [endpoint["conditions"]["ready"] for endpoint in endpoints] == [True, True]

    wait(applied.cluster.kubeconfig.parent, "the Service", both_are_ready)


def test_the_namespace_refuses_a_pod_below_restricted(applied: Applied) -> None:
    result = applied.cluster.run("run", "intruder", "--image=intruder", f"--namespace={applied.namespace}")
    assert result.returncode == 1
    assert 'violates PodSecurity "restricted:latest"' in result.stderr

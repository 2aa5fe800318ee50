"""Each warning of dangers.yaml and of the families in dangers/, with what is near to it and none."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery.chart import merge
from delivery.manifests import Object
from delivery.review.compare import Side, compare
from delivery.review.trees import Rendered

FILES = [Path(__file__).with_name("dangers.yaml"), *sorted((Path(__file__).parent / "dangers").iterdir())]
CASES = [case for path in FILES for case in yaml.safe_load(path.read_text("utf-8"))]


VERSIONS = {
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"), "apps/v1"),
    **dict.fromkeys(("Job", "CronJob"), "batch/v1"),
    **dict.fromkeys(("Ingress", "NetworkPolicy"), "networking.k8s.io/v1"),
    **dict.fromkeys(("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"), "rbac.authorization.k8s.io/v1"),
    **dict.fromkeys(("Gateway", "HTTPRoute"), "gateway.networking.k8s.io/v1"),
    **dict.fromkeys(("PrometheusRule", "ServiceMonitor"), "monitoring.coreos.com/v1"),
    "AlertmanagerConfig": "monitoring.coreos.com/v1alpha1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "PodDisruptionBudget": "policy/v1",
    **dict.fromkeys(("GCPBackendPolicy", "GCPGatewayPolicy"), "networking.gke.io/v1"),
    "StorageClass": "storage.k8s.io/v1",
    **dict.fromkeys(
        ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"), "admissionregistration.k8s.io/v1"
    ),
}


def named(fields: Object, name: str = "it") -> Object:
    """An object with what each has."""
    return merge({"apiVersion": VERSIONS.get(fields["kind"], "v1"), "metadata": {"name": name}}, fields)


def side(case: Any, name: str) -> Side:
    objects = [] if name not in case else [merge({"kind": case["kind"]}, merge(case.get("kept", {}), case[name]))]
    objects += [*case.get("beside", []), *case.get(f"beside_{name}", [])]
    return Side(Rendered("---\n".join(yaml.safe_dump(named(each)) for each in objects)), {})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_it_is_told(case: Any) -> None:
    review = compare("dev", side(case, "before"), side(case, "after")).review
    [change] = [each for each in review.changes if each.kind == case["kind"] and each.name == "it"]
    assert [danger.sentence for danger in change.dangers] == case["told"]
    assert (change.verb == "rewritten") == case.get("rewritten", False)

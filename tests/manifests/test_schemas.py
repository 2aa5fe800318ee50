"""The schemas: none missing, none lax, for custom resources too."""

from pathlib import Path

import pytest

from delivery.schemas import KUBERNETES_VERSIONS
from delivery.validate import conform

ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: route}
spec: {hostnames: [example.com]}
"""
POLICY = """\
apiVersion: networking.gke.io/v1
kind: GCPBackendPolicy
metadata: {name: policy}
spec: {targetRef: {group: '', kind: Service, name: api}, default: {timeoutSec: 30}}
"""


@pytest.mark.parametrize(
    ("manifest", "spoiled"),
    [
        pytest.param(ROUTE, ROUTE.replace("hostnames", "hostNames"), id="gateway-api"),
        pytest.param(POLICY, POLICY.replace("timeoutSec", "timeoutSecs"), id="gke"),
    ],
)
def test_a_misspelt_field_of_a_custom_resource_is_found(manifest: str, spoiled: str, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(manifest)
    bad.write_text(spoiled)
    findings = conform([good, bad], KUBERNETES_VERSIONS[-1])
    assert findings[good] == []
    assert "additional properties" in findings[bad][0].sentence


def test_a_kind_without_a_schema_is_found(tmp_path: Path) -> None:
    manifest = tmp_path / "unknown.yaml"
    manifest.write_text(ROUTE.replace("HTTPRoute", "HTTPRoad"))
    sentence = conform([manifest], KUBERNETES_VERSIONS[-1])[manifest][0].sentence
    assert sentence == "HTTPRoad/route: could not find schema for HTTPRoad"


def test_a_field_given_twice_is_found(tmp_path: Path) -> None:
    manifest = tmp_path / "twice.yaml"
    manifest.write_text("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: one, name: two}\n")
    assert len(conform([manifest], KUBERNETES_VERSIONS[-1])[manifest]) == 1

"""Renders against the schemas of the Kubernetes versions that we support."""

import json
from pathlib import Path

from delivery.checkout import ROOT, run
from delivery.errors import DeliveryError
from delivery.policy.rule import Finding
from delivery.schemas import KUBERNETES_VERSIONS

SCHEMAS = ROOT / ".tools" / "schemas"
KUBERNETES = "{{.NormalizedKubernetesVersion}}/{{.ResourceKind}}{{.KindSuffix}}.json"
CUSTOM = "crds/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json"


def conform(manifests: list[Path], version: str) -> dict[Path, list[Finding]]:
    """Findings per file against one Kubernetes version; a kind without a schema is one.

    Raises:
        DeliveryError: kubeconform itself fails.
    """
    result = run(
        "kubeconform",
        *("-strict", "-output", "json", "-kubernetes-version", version),
        *("-n", "1"),  # with more, each compiles the same schemas: twice the work for the same answer
        *("-schema-location", f"{SCHEMAS}/{KUBERNETES}", "-schema-location", f"{SCHEMAS}/{CUSTOM}"),
        *manifests,
    )
    if not result.stdout:
        raise DeliveryError(f"kubeconform failed: {result.stderr.strip()}")
    findings: dict[Path, list[Finding]] = {path: [] for path in manifests}
    for each in json.loads(result.stdout)["resources"]:
        fault = each["msg"].partition("json#' - ")[2] or each["msg"]  # without the path of the schema
        sentence = f"{each['kind']}/{each['name']}: {fault}"
        findings[Path(each["filename"])].append(Finding(check_name(version), sentence))
    return findings


def check_name(version: str) -> str:
    return f"schema-{version.rpartition('.')[0]}"


CHECKS = [check_name(version) for version in KUBERNETES_VERSIONS]

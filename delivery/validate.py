"""Everything that can be said against a render without a cluster."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from delivery import kubeconform, policy
from delivery.objects import Render
from delivery.policy.rule import Finding
from delivery.schemas import KUBERNETES_VERSIONS

CHECKS = [*kubeconform.CHECKS, *policy.RULES]


def validate(manifests: list[Path]) -> dict[Path, list[Finding]]:
    """Findings per rendered file; a file's stem is its overlay's name.

    Raises:
        DeliveryError: a tool is missing or fails.
    """
    with ThreadPoolExecutor() as pool:
        schemas = [pool.submit(kubeconform.conform, manifests, version) for version in KUBERNETES_VERSIONS]
        findings = {path: policy.judge(Render.parse(path.stem, path.read_text())) for path in manifests}
    for future in schemas:
        for path, found in future.result().items():
            findings[path] = found + findings[path]
    return findings

"""Everything that can be said against a render without a cluster."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from delivery import policy
from delivery.manifests import Render
from delivery.policy.rule import Finding
from delivery.schemas import KUBERNETES_VERSIONS
from delivery.tools import kubeconform

CHECKS = [*kubeconform.CHECKS, *policy.RULES]


def validate(manifests: list[Path]) -> dict[Path, list[Finding]]:
    """Findings per rendered file, whose stem is its overlay's name; our rules judge only what fits the schemas.

    Raises:
        DeliveryError: a tool is missing or fails.
    """
    with ThreadPoolExecutor() as pool:
        schemas = list(pool.map(partial(kubeconform.conform, manifests), KUBERNETES_VERSIONS))
    findings = {path: [finding for found in schemas for finding in found[path]] for path in manifests}
    for path in manifests:
        findings[path] = findings[path] or policy.judge(Render.parse(path.stem, path.read_text()))
    return findings

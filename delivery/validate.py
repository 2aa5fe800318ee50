"""Everything that can be checked in a render without a cluster."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from delivery import policy, schemas
from delivery.manifests import Render
from delivery.policy.rule import Finding
from delivery.render import write
from delivery.settings import Settings
from delivery.tools import kubeconform

SCHEMA_CHECKS = {version: f"schema-{version.rpartition('.')[0]}" for version in schemas.KUBERNETES_VERSIONS}
CHECKS = [*SCHEMA_CHECKS.values(), *policy.RULES]


def validate(manifests: list[Path]) -> dict[Path, list[Finding]]:
    """Findings per rendered file, whose stem is its overlay's name; our rules judge only what fits the schemas.

    Raises:
        DeliveryError: a tool is missing or fails.
    """
    findings = conform_to_all(manifests)
    for path in manifests:
        findings[path] = findings[path] or policy.judge(Render.parse(path.stem, path.read_text()))
    return findings


def validate_tree(renders: dict[str, str], settings: Settings) -> dict[str, list[Finding]]:
    """Findings per overlay of any repository, by what each renders to and the rules that the repository chooses.

    Raises:
        DeliveryError: a tool is missing or fails, or a rule is not known.
    """
    rules = policy.chosen(settings)
    with tempfile.TemporaryDirectory() as folder:
        paths = {path: name for name, path in zip(renders, write(renders, Path(folder)), strict=True)}
        findings = {paths[path]: found for path, found in conform_to_all(list(paths)).items()}
    for name, text in renders.items():
        parsed = replace(Render.parse(name, text), own_image=settings.image, namespaces=settings.namespaces)
        findings[name] = findings[name] or policy.judge(parsed, rules)
    return findings


def conform_to_all(manifests: list[Path]) -> dict[Path, list[Finding]]:
    """Findings per file against every Kubernetes version that we support."""
    with ThreadPoolExecutor() as pool:
        versions = list(pool.map(partial(conform, manifests), schemas.KUBERNETES_VERSIONS))
    return {path: [finding for found in versions for finding in found[path]] for path in manifests}


def conform(manifests: list[Path], version: str) -> dict[Path, list[Finding]]:
    """Findings per file against one Kubernetes version; a kind without a schema is one.

    Raises:
        DeliveryError: kubeconform is missing or fails.
    """
    errors = kubeconform.errors(manifests, version, schemas.LOCATIONS)
    return {path: [Finding(SCHEMA_CHECKS[version], each) for each in found] for path, found in errors.items()}

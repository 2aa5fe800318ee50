"""Every check refuses the one manifest that was made for it, and no other check refuses that one."""

from pathlib import Path

import pytest

from delivery import policy
from delivery.errors import DeliveryError
from delivery.manifests import Render
from delivery.policy.rule import Finding
from delivery.render import render
from delivery.validate import CHECKS, SCHEMA_CHECKS, validate
from tests.manifests.fixtures import INVALID, spoil

pytestmark = pytest.mark.xdist_group("invalid")  # what is rendered and checked once

NEED_A_CLUSTER = {"api-server", "pod-security"}  # tests/cluster/test_dry_run.py
REFUSED_BY_KUSTOMIZE = {"kustomize"}


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each invalid manifest, rendered, under the name of the overlay that it spoils."""
    rendered = {}
    for name in [*CHECKS, *sorted(NEED_A_CLUSTER)]:
        folder = tmp_path_factory.mktemp(name)
        overlay = spoil(name, folder)
        rendered[name] = folder / f"{overlay}.yaml"
        rendered[name].write_text(render("spoiled", folder))
    return rendered


@pytest.fixture(scope="module")
def findings(manifests: dict[str, Path]) -> dict[str, list[Finding]]:
    """What is found in each invalid manifest, all checked in one go."""
    found = validate(list(manifests.values()))
    return {name: found[path] for name, path in manifests.items()}


def test_every_check_has_its_invalid_manifest() -> None:
    assert {path.stem for path in INVALID.glob("*.yaml")} == {*CHECKS, *NEED_A_CLUSTER, *REFUSED_BY_KUSTOMIZE}


@pytest.mark.parametrize("check", CHECKS)
def test_it_is_refused_by_its_check_alone(check: str, findings: dict[str, list[Finding]]) -> None:
    assert {finding.check for finding in findings[check]} == {check}, findings[check]


@pytest.mark.parametrize("check", SCHEMA_CHECKS.values())
def test_our_rules_have_nothing_against_what_a_schema_refuses(check: str, manifests: dict[str, Path]) -> None:
    path = manifests[check]
    findings = policy.judge(Render.parse(path.stem, path.read_text()))
    assert {finding.check for finding in findings} <= {
        "kind"
    }  # no kind of ours has lost a version, so another stands in


@pytest.mark.parametrize("name", sorted(NEED_A_CLUSTER))
def test_what_only_a_cluster_refuses_passes_here(name: str, findings: dict[str, list[Finding]]) -> None:
    assert findings[name] == []


def test_kustomize_may_not_even_warn(tmp_path: Path) -> None:
    spoil("kustomize", tmp_path)
    with pytest.raises(DeliveryError, match="'commonLabels' is deprecated"):
        render("spoiled", tmp_path)

"""What Terraform itself says about the configuration."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.terraform.configuration import ENVIRONMENTS, ROOT
from tests.terraform.conftest import NO_TERRAFORM, Terraform, errors

KNOWN_DEPRECATION = "remove_default_node_pool"  # gke.tf says why it stays


def test_formatted() -> None:
    if shutil.which("terraform") is None:
        pytest.skip(NO_TERRAFORM)
    result = subprocess.run(
        ["terraform", "fmt", "-check", "-diff", "-recursive"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"run `terraform -chdir=terraform fmt -recursive`:\n{result.stdout}{result.stderr}"


def test_valid(terraform: Terraform, tmp_path: Path) -> None:
    result = terraform(terraform.copy(tmp_path / "copy"), "validate", "-json")
    found = [
        diagnostic
        for diagnostic in json.loads(result.stdout)["diagnostics"]
        if KNOWN_DEPRECATION not in diagnostic.get("snippet", {}).get("code", "")
    ]
    assert found == []


@pytest.mark.slow
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_assertions_hold(terraform: Terraform, tmp_path: Path, environment: str) -> None:
    messages = terraform.test(terraform.copy(tmp_path / "copy"), environment)
    assert errors(messages) == []
    summary = messages[-1]["test_summary"]
    assert summary["status"] == "pass"
    assert summary["passed"] > 0
    assert summary["skipped"] == 0

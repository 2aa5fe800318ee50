"""What Terraform itself says about the configuration."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.terraform.configuration import ENVIRONMENTS, ROOT
from tests.terraform.conftest import NO_TERRAFORM, Terraform


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
    result = terraform(terraform.copy(tmp_path / "copy"), "validate", "-no-color")
    assert result.returncode == 0, result.stderr
    assert "Warning" not in result.stdout, result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_assertions_hold(terraform: Terraform, tmp_path: Path, environment: str) -> None:
    messages = terraform.test(terraform.copy(tmp_path / "copy"), environment)
    assert [m["diagnostic"] for m in messages if m["type"] == "diagnostic"] == []
    summary = messages[-1]["test_summary"]
    assert summary["status"] == "pass"
    assert summary["passed"] > 0
    assert summary["skipped"] == 0

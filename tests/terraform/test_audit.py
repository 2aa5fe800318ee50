"""checkov finds nothing that has no waiver, and would find it if there were something."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.terraform.configuration import ROOT, replace


def audit(configuration: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "-s", "terraform-audit", f"TERRAFORM_DIR={configuration}"],
        cwd=ROOT.parent,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_nothing_is_found() -> None:
    result = audit(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Failed checks: 0" in result.stdout


@pytest.mark.slow
def test_a_weakness_is_found(tmp_path: Path) -> None:
    copy = shutil.copytree(ROOT, tmp_path / "copy", ignore=shutil.ignore_patterns(".terraform*"))
    instance = 'resource "google_sql_database_instance" "this"'
    replace(copy, instance, "ipv4_enabled = false", "ipv4_enabled = true")
    result = audit(copy)
    assert result.returncode != 0
    assert "CKV_GCP_60" in result.stdout

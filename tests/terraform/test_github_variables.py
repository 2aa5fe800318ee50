"""`make github-variables`, with programs in place of terraform and gh that record how they are called.

The real ones would need the bucket that holds the state, and GitHub.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.terraform.configuration import ROOT

TERRAFORM = """#!/bin/sh
echo "terraform $*" >> "$CALLS"
case "$*" in *" output "*) echo '{"GKE_CLUSTER": "taskpulse", "GKE_LOCATION": "us-central1-a"}';; esac
"""
GH = """#!/bin/sh
echo "gh $*" >> "$CALLS"
cat >> "$CALLS"
"""


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Return a folder with the stand-ins, to be first in PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name, text in (("terraform", TERRAFORM), ("gh", GH)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """Return a copy of the configuration that names buckets."""
    copy = shutil.copytree(ROOT, tmp_path / "terraform", ignore=shutil.ignore_patterns(".terraform*"))
    for path in copy.glob("environments/*.gcs.tfbackend"):
        path.write_text('bucket = "state"')
    return copy


def make(path: str, calls: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "-s", "github-variables", f"TERRAFORM_DIR={calls.parent / 'terraform'}", *arguments],
        cwd=ROOT.parent,
        env={**os.environ, "PATH": path, "CALLS": str(calls)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.usefixtures("configuration")
def test_sets_the_variables_of_both_environments(programs: Path, tmp_path: Path) -> None:
    result = make(f"{programs}:{os.environ['PATH']}", tmp_path / "calls", "ENV=dev")
    assert result.returncode == 0, result.stderr
    first, *rest = (tmp_path / "calls").read_text().splitlines()
    assert first == f"terraform -chdir={tmp_path / 'terraform'} init -reconfigure -input=false"
    variables = ["GKE_CLUSTER=taskpulse", "GKE_LOCATION=us-central1-a"]
    assert rest == [
        f"terraform -chdir={tmp_path / 'terraform'} output -json github_actions_variables",
        *("gh variable set --env dev --env-file -", *variables),
        *("gh variable set --env dev-image --env-file -", *variables),
    ]


@pytest.mark.usefixtures("configuration")
@pytest.mark.parametrize("arguments", [[], ["ENV=prod"]])
def test_unknown_environment_is_refused(programs: Path, tmp_path: Path, arguments: list[str]) -> None:
    result = make(f"{programs}:{os.environ['PATH']}", tmp_path / "calls", *arguments)
    assert result.returncode != 0
    assert "say which environment: make terraform ENV=dev (or main)" in result.stderr
    assert not (tmp_path / "calls").exists()


def test_missing_program_is_named(programs: Path, tmp_path: Path) -> None:
    (programs / "gh").unlink()
    for name in ("bash", "make", "sh", "awk"):
        (programs / name).symlink_to(str(shutil.which(name)))
    result = make(str(programs), tmp_path / "calls", "ENV=dev")
    assert result.returncode != 0
    assert "no 'gh' here" in result.stderr

"""For each check of this folder, changes to one side that it notices."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery.checkout import ROOT
from tests.terraform.configuration import substitute

HERE = Path(__file__).parent
MUTATIONS = yaml.safe_load((HERE / "mutations.yaml").read_text())
CHECKS = {
    name: path.relative_to(ROOT)
    for path in HERE.glob("test_*.py")
    if path != Path(__file__)
    for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
}
"""The file of each check."""


def test_each_check_has_a_mutation() -> None:
    assert {mutation["fails"] for mutation in MUTATIONS} == CHECKS.keys()


@pytest.mark.slow
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: f"{each['in']}:{each.get('replace', 'new')}")
def test_mutation_is_noticed(tmp_path: Path, mutation: dict[str, Any]) -> None:
    copy_sources(tmp_path)
    (tmp_path / ".tools").symlink_to(ROOT / ".tools")
    path = tmp_path / mutation["in"]
    if "replace" in mutation:
        substitute(path, [(0, len(path.read_text()))], mutation["replace"], mutation["with"])
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(mutation["with"])

    check = f"{CHECKS[mutation['fails']]}::{mutation['fails']}"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", check]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 1, result.stdout + result.stderr
    assert f"::{mutation['fails']}" in result.stdout
    assert re.search(r"\nE +(AssertionError|assert )", result.stdout), result.stdout


def copy_sources(target: Path) -> None:
    """Copy the checkout without what `make` built in it."""
    for source in ROOT.iterdir():
        if source.name.startswith(".") and source.name != ".github":
            continue
        if source.is_dir():
            ignored = shutil.ignore_patterns(".terraform*", "__pycache__")
            shutil.copytree(source, target / source.name, ignore=ignored)
        else:
            shutil.copy(source, target)

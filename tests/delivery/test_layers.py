"""`lint-imports`, which `make check` runs, refuses an import that leads up or across, and says which."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from delivery.checkout import ROOT

LINT = Path(sys.executable).with_name("lint-imports")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in ("app", "delivery"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(LINT), "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_layers_are_kept(copy: Path) -> None:
    result = lint(copy)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("module", "imported", "named"),
    [
        ("review/run.py", "delivery.deploy.release", "delivery.review is not allowed to import delivery.deploy"),
        ("deploy/plan.py", "delivery.review.model", "delivery.deploy is not allowed to import delivery.review"),
        ("tools/kubectl.py", "delivery.policy", "delivery.tools is not allowed to import delivery.policy"),
        ("render.py", "click", "delivery.render is not allowed to import click"),
        ("homeless.py", "json", "The following modules are not listed as layers:"),
    ],
)
def test_a_broken_layer_is_refused_and_named(module: str, imported: str, named: str, copy: Path) -> None:
    with (copy / "delivery" / module).open("a") as file:
        file.write(f"\nimport {imported}\n")
    result = lint(copy)
    assert result.returncode == 1, result.stdout
    assert named in " ".join(result.stdout.split())
    assert f"delivery.{module.removesuffix('.py').replace('/', '.')}" in result.stdout

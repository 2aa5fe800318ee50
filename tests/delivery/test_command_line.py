"""The command line where nothing is as it should be yet."""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from delivery.checkout import ROOT


def delivery(*arguments: str, folder: Path = ROOT, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    command = [python, "-m", "delivery", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def without_overlays(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "delivery", tmp_path / "delivery", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.mark.parametrize("arguments", [["--help"], ["monitoring-chart", "--help"]])
def test_help_needs_no_overlays(arguments: list[str], without_overlays: Path) -> None:
    result = delivery(*arguments, folder=without_overlays)
    assert (result.returncode, result.stderr) == (0, "")
    assert "monitoring-chart" in result.stdout


def test_a_command_that_needs_overlays_says_so(without_overlays: Path) -> None:
    result = delivery("monitoring-chart", "dev", "--secrets=.", folder=without_overlays)
    assert result.returncode == 2
    assert result.stderr.endswith(
        f"No overlays/*/kustomization.yaml under {without_overlays}: run this in a checkout.\n"
    )


def test_an_overlay_that_is_none_is_told_with_those_that_are() -> None:
    result = delivery("monitoring-chart", "nowhere", "--secrets=.")
    assert result.returncode == 2
    assert result.stderr.endswith("'nowhere' is not one of dev, main.\n")


def test_a_python_without_the_packages_is_told_which_has_them(tmp_path: Path) -> None:
    venv.create(tmp_path)
    python = str(tmp_path / "bin" / "python")
    result = delivery("--help", python=python)
    assert result.returncode == 1
    assert result.stderr == (
        f"Error: {python} has no module 'click'.\nRun `make .venv/.ready` once, then `.venv/bin/python -m delivery`.\n"
    )

"""The command line where nothing is as it should be yet."""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from click.testing import CliRunner

from delivery.checkout import ROOT
from delivery.cli import COMMANDS, main

IMAGE = f"taskpulse-api@sha256:{64 * '1'}"


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
    assert result.stderr.endswith(f"No kustomization under {without_overlays}: run this in a checkout.\n")


def test_an_overlay_that_is_none_is_told_with_those_that_are() -> None:
    result = delivery("monitoring-chart", "nowhere", "--secrets=.")
    assert result.returncode == 2
    assert result.stderr.endswith("'nowhere' is not one of dev, main.\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["deploy", "dev", "--image=taskpulse-api"], "--image taskpulse-api has no digest: give NAME@sha256:DIGEST"),
        (["plan", "dev", f"--image={IMAGE}", "--commit=HEAD"], "--commit HEAD is no commit: give its full"),
        (["history", "nowhere"], "There is no overlay nowhere: name one of dev, main, or a folder"),
        (["review", "--base=nowhere", "--head=HEAD"], "--base 'nowhere' names no commit here: fetch it"),
        (["deploy", "dev", f"--image={IMAGE}", "--timeout=soon"], "soon is no duration: write 10m, 90s or 1m30s."),
        (["freeze", "dev", "--until=2020-01-01", "--reason=x"], "--until 2020-01-01T00:00:00Z is over: give a time to"),
        (
            ["freeze", "dev", "--until=3d", "--reason= "],
            "--reason is empty. Say why nobody may deploy: everybody who tries to will read it.",
        ),
        (["freeze", "dev", "--until=soon", "--reason=x"], "soon is no time: write 2026-12-24T18:00+01:00"),
        (["plan", "dev", f"--commit={40 * 'a'}"], "--commit needs --image: without one, both are those that run."),
        (["validate", "--nope"], "No such option '--nope'."),
    ],
)
def test_a_wrong_argument_ends_with_the_usage_and_status_2(arguments: list[str], sentence: str) -> None:
    result = delivery(*arguments)
    assert result.returncode == 2
    assert f"Usage: python -m delivery {arguments[0]} [OPTIONS]" in result.stderr
    assert "\n\nError: " in result.stderr
    assert sentence in result.stderr


def test_summaries_fit_a_terminal_of_80_columns() -> None:
    lines = CliRunner().invoke(main, ["--help"], prog_name="python -m delivery", terminal_width=80).output.splitlines()
    summaries = lines[lines.index("Commands:") + 1 :]
    assert len(summaries) == len(COMMANDS)
    assert [line for line in summaries if len(line) > 80 or line.endswith("...")] == []


def test_what_fails_with_right_arguments_ends_with_status_1(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = delivery("render", f"--out={tmp_path}/file/out")
    assert result.returncode == 1
    assert result.stderr.startswith("Error: Cannot write to ")


@pytest.mark.parametrize("arguments", [["deploy", "dev", f"--image={IMAGE}"], ["plan", "dev", f"--image={IMAGE}"]])
def test_a_disk_that_takes_no_more_is_told_in_a_sentence(arguments: list[str]) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); from delivery import cli; cli.main()"
    result = subprocess.run(
        [sys.executable, "-c", limit, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "Error: This machine cannot read or write" in result.stderr


def test_a_python_without_the_packages_is_told_which_has_them(tmp_path: Path) -> None:
    venv.create(tmp_path)
    python = str(tmp_path / "bin" / "python")
    result = delivery("--help", python=python)
    assert result.returncode == 1
    assert result.stderr == (
        f"Error: {python} has no module 'click'.\nRun `make .venv/.ready` once, then `.venv/bin/python -m delivery`.\n"
    )

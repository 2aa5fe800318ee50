"""`python -m delivery fetch-secrets`, with a stand-in for gcloud that has the real one's arguments."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from delivery.checkout import ROOT
from delivery.secrets import TABLE

VALUE = "tp-%-value"
# writes what the real one writes, to where it writes it; refuses any other command line
GCLOUD = """#!/bin/sh
[ "$1 $2 $3 $4" = "secrets versions access latest" ] || exit 64
shift 4
for argument; do case $argument in
  --secret=*) secret=${argument#*=} ;;
  --project=*) project=${argument#*=} ;;
  --out-file=*) out=${argument#*=} ;;
  --quiet) ;;
  *) exit 64 ;;
esac; done
[ "$project" = example ] || { echo "ERROR: (gcloud.secrets.versions.access) PERMISSION_DENIED: no" >&2; exit 1; }
case $secret in
  "$MISSING") echo "ERROR: (gcloud.secrets.versions.access) NOT_FOUND: [$secret] has no versions" >&2; exit 1 ;;
  "$EMPTY") : > "$out" ;;
  *) printf 'tp-%%-value\\n%s\\377' "$secret" > "$out" ;;
esac
"""


@pytest.fixture
def gcloud(tmp_path: Path) -> dict[str, str]:
    """An environment in which `gcloud` is the stand-in."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "gcloud").write_text(GCLOUD)
    (folder / "gcloud").chmod(0o755)
    nobody = {"MISSING": "-", "EMPTY": "-", "GITHUB_ACTIONS": ""}
    return os.environ | nobody | {"PATH": f"{folder}:{os.environ['PATH']}"}


def fetch(out: Path, environment: dict[str, str], project: str = "example") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "delivery", "fetch-secrets", "--project", project, "--out", str(out)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_each_secret_is_in_a_file_of_its_name_byte_for_byte(tmp_path: Path, gcloud: dict[str, str]) -> None:
    out = tmp_path / "secrets"
    result = fetch(out, gcloud)
    assert result.returncode == 0, result.stderr
    names = sorted(yaml.safe_load(TABLE.read_text()))
    assert sorted(path.name for path in out.iterdir()) == names
    assert all((out / name).read_bytes() == f"{VALUE}\n{name}".encode() + b"\xff" for name in names)


def test_only_their_owner_may_read_them(tmp_path: Path, gcloud: dict[str, str]) -> None:
    out = tmp_path / "secrets"
    assert fetch(out, gcloud).returncode == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in out.iterdir()} == {0o600}


def test_no_value_is_printed(tmp_path: Path, gcloud: dict[str, str]) -> None:
    result = fetch(tmp_path / "secrets", gcloud)
    assert result.returncode == 0
    assert VALUE not in result.stdout + result.stderr


def test_the_runner_is_told_to_cover_each_line(tmp_path: Path, gcloud: dict[str, str]) -> None:
    result = fetch(tmp_path / "secrets", gcloud | {"GITHUB_ACTIONS": "true"})
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    assert "::add-mask::tp-%25-value" in lines
    assert [line for line in lines if VALUE in line.replace("%25", "%") and not line.startswith("::add-mask::")] == []


@pytest.mark.parametrize(
    ("trouble", "project", "sentence"),
    [
        (
            {"MISSING": "taskpulse-smtp-password"},
            "example",
            "Secret taskpulse-smtp-password has no version in project example: `terraform apply` makes it",
        ),
        ({"EMPTY": "taskpulse-metrics-token"}, "example", "Secret taskpulse-metrics-token of project example is empty"),
        ({}, "another", "Secret taskpulse-database-ca of project another may not be read by this account"),
    ],
)
def test_what_cannot_be_read_is_said_and_nothing_stays(
    tmp_path: Path, gcloud: dict[str, str], trouble: dict[str, str], project: str, sentence: str
) -> None:
    result = fetch(tmp_path / "secrets", gcloud | trouble, project)
    assert result.returncode == 1
    assert result.stderr.startswith(f"Error: {sentence}")
    assert not (tmp_path / "secrets").exists()


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path, gcloud: dict[str, str]) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "mine").touch()
    result = fetch(tmp_path / "secrets", gcloud)
    assert result.returncode == 1
    assert result.stderr == f"Error: {tmp_path}/secrets exists already: remove it, or name another folder with --out.\n"
    assert (tmp_path / "secrets" / "mine").exists()


def test_without_gcloud_it_says_so(tmp_path: Path, gcloud: dict[str, str]) -> None:
    result = fetch(tmp_path / "secrets", gcloud | {"PATH": str(tmp_path)})
    assert result.returncode == 1
    assert result.stderr.startswith("Error: gcloud is not here: ")

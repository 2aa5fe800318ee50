"""`python -m delivery fetch-secrets`, with stand-ins for gcloud and for Secret Manager's API."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Barrier, Event, Semaphore

import pytest
import yaml

from delivery.checkout import ROOT
from delivery.secrets import TABLE
from tests.delivery.secret_manager import ENDPOINT, VALUE, Answer, SecretManager, error, install_gcloud, value_of

NAMES = sorted(yaml.safe_load(TABLE.read_text()))
PATIENCE_S = 60


@pytest.fixture
def manager() -> Iterator[SecretManager]:
    with SecretManager() as running:
        yield running


@pytest.fixture
def environment(manager: SecretManager, tmp_path: Path) -> dict[str, str]:
    """The stand-ins in the place of Google."""
    install_gcloud(tmp_path / "bin")
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    return os.environ | {"GITHUB_ACTIONS": "", "SIGNED_OUT": "", "PATH": path, ENDPOINT: manager.url}


def command(out: Path, project: str = "example") -> list[str]:
    return [sys.executable, "-m", "delivery", "fetch-secrets", "--project", project, "--out", str(out)]


def fetch(out: Path, environment: dict[str, str], project: str = "example") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(out, project), cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_each_secret_is_in_a_file_of_its_name_byte_for_byte(tmp_path: Path, environment: dict[str, str]) -> None:
    out = tmp_path / "secrets"
    result = fetch(out, environment)
    assert result.returncode == 0, result.stderr
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {name: value_of(name) for name in NAMES}
    assert result.stdout == f"{len(NAMES)} secrets of project example are in {out}: {', '.join(NAMES)}.\n"


def test_they_are_fetched_side_by_side(tmp_path: Path, environment: dict[str, str], manager: SecretManager) -> None:
    all_there = Barrier(len(NAMES))
    manager.before_answering = lambda: all_there.wait(PATIENCE_S)  # no request is answered before the last has come
    result = fetch(tmp_path / "secrets", environment)
    assert result.returncode == 0, result.stderr


def test_only_their_owner_may_read_them(tmp_path: Path, environment: dict[str, str]) -> None:
    out = tmp_path / "secrets"
    assert fetch(out, environment).returncode == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in out.iterdir()} == {0o600}


def test_no_value_is_printed(tmp_path: Path, environment: dict[str, str]) -> None:
    result = fetch(tmp_path / "secrets", environment)
    assert result.returncode == 0
    assert VALUE not in result.stdout + result.stderr


def test_the_runner_is_told_to_cover_each_line(tmp_path: Path, environment: dict[str, str]) -> None:
    result = fetch(tmp_path / "secrets", environment | {"GITHUB_ACTIONS": "true"})
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    assert "::add-mask::tp-%25-value" in lines
    assert [line for line in lines if VALUE in line.replace("%25", "%") and not line.startswith("::add-mask::")] == []


@pytest.mark.parametrize(
    ("answers", "project", "sentence"),
    [
        (
            {"taskpulse-smtp-password": error(404, "Secret [it] not found or has no versions.")},
            "example",
            "Secret taskpulse-smtp-password has no version in project example: `terraform apply` makes it",
        ),
        (
            {"taskpulse-metrics-token": (200, {"payload": {"dataCrc32c": "0"}})},
            "example",
            "Secret taskpulse-metrics-token of project example is empty",
        ),
        (
            {"taskpulse-metrics-token": error(400, "Secret Version [1] is in DESTROYED state.")},
            "example",
            "Secret taskpulse-metrics-token of project example cannot be read; Google answers 400: Secret Version [1]",
        ),
        ({}, "another", "Secret taskpulse-database-ca of project another may not be read by this account"),
    ],
)
def test_what_cannot_be_read_is_said_and_nothing_stays(
    *,
    tmp_path: Path,
    environment: dict[str, str],
    manager: SecretManager,
    answers: dict[str, Answer],
    project: str,
    sentence: str,
) -> None:
    manager.answers = {name: [answer] for name, answer in answers.items()}
    result = fetch(tmp_path / "secrets", environment, project)
    assert result.returncode == 1
    assert result.stderr.startswith(f"Error: {sentence}")
    assert VALUE not in result.stdout + result.stderr
    assert not (tmp_path / "secrets").exists()


def test_of_several_troubles_the_first_by_name_is_said(
    tmp_path: Path, environment: dict[str, str], manager: SecretManager
) -> None:
    manager.answers = {name: [error(404, "Not found.")] for name in NAMES[2:]}
    result = fetch(tmp_path / "secrets", environment)
    assert result.stderr.startswith(f"Error: Secret {NAMES[2]} has no version")


@pytest.mark.parametrize("status", [429, 503])
def test_an_overloaded_google_is_asked_again(
    tmp_path: Path, environment: dict[str, str], manager: SecretManager, status: int
) -> None:
    manager.answers = {NAMES[0]: [error(status, "Try again.")]}
    result = fetch(tmp_path / "secrets", environment)
    assert result.returncode == 0, result.stderr
    assert manager.answers[NAMES[0]] == []


def test_without_an_answer_it_says_so(tmp_path: Path, environment: dict[str, str], manager: SecretManager) -> None:
    nowhere = "http://127.0.0.1:9"
    result = fetch(tmp_path / "secrets", environment | {ENDPOINT: nowhere})
    assert result.returncode == 1
    assert result.stderr.startswith(f"Error: No answer from {nowhere}")
    assert not (tmp_path / "secrets").exists()


def test_nothing_stays_when_it_is_terminated(
    tmp_path: Path, environment: dict[str, str], manager: SecretManager
) -> None:
    asked, ended = Semaphore(0), Event()

    def hold() -> None:
        asked.release()
        ended.wait(PATIENCE_S)

    manager.before_answering = hold
    out = tmp_path / "secrets"
    with subprocess.Popen(command(out), cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert all(asked.acquire(timeout=PATIENCE_S) for _ in NAMES)
        assert out.exists()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE_S)
    ended.set()
    assert (process.returncode, said.strip()) == (1, "Aborted!")
    assert not out.exists()


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "mine").touch()
    result = fetch(tmp_path / "secrets", environment)
    assert result.returncode == 1
    assert result.stderr == f"Error: {tmp_path}/secrets exists already: remove it, or name another folder with --out.\n"
    assert (tmp_path / "secrets" / "mine").exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"PATH": "/nowhere"}, "gcloud is not here: "),
        ({"SIGNED_OUT": "1"}, "gcloud gives no access token: run `gcloud auth login`. It says: ERROR: (gcloud."),
    ],
)
def test_without_an_account_of_gcloud_it_says_so(
    tmp_path: Path, environment: dict[str, str], change: dict[str, str], sentence: str
) -> None:
    result = fetch(tmp_path / "secrets", environment | change)
    assert result.returncode == 1
    assert result.stderr.startswith(f"Error: {sentence}")
    assert not (tmp_path / "secrets").exists()

"""`make terraform`, with a program in place of terraform that records how it is called; the real one needs a bucket."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.terraform.configuration import ROOT

TERRAFORM = """#!/bin/sh
printf '%s\\n' "$TF_DATA_DIR $(env | grep ^TF_CLI_ARGS_ | sort | tr '\\n' ' ')" "$@" >> "$CALLS"
"""


class Make:
    def __init__(self, folder: Path) -> None:
        self.calls = folder / "calls"
        self.configuration = shutil.copytree(ROOT, folder / "terraform", ignore=shutil.ignore_patterns(".terraform*"))
        for name in ("dev", "main"):
            (self.configuration / "environments" / f"{name}.gcs.tfbackend").write_text(f'bucket = "state-of-{name}"\n')
        self.programs = folder / "programs"
        self.programs.mkdir()
        (self.programs / "terraform").write_text(TERRAFORM)
        (self.programs / "terraform").chmod(0o755)

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        ours = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}  # the ARGS of `make test`
        return subprocess.run(
            ["make", "-s", "terraform", f"TERRAFORM_DIR={self.configuration}", *arguments],
            cwd=ROOT.parent,
            env={**ours, "PATH": f"{self.programs}:{os.environ['PATH']}", "CALLS": str(self.calls)},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return Make(tmp_path)


@pytest.mark.parametrize("environment", ["dev", "main"])
def test_state_and_values_are_chosen_together(make: Make, environment: str) -> None:
    result = make(f"ENV={environment}", "ARGS=state rm 'a.b[\"c\"]'")
    assert result.returncode == 0, result.stderr
    lines = make.calls.read_text().splitlines()
    values = f"-var-file=environments/{environment}.tfvars"
    options = " ".join(
        f"TF_CLI_ARGS_{command}={values}"
        if command != "init"
        else f"TF_CLI_ARGS_init=-backend-config=environments/{environment}.gcs.tfbackend"
        for command in ("apply", "console", "destroy", "import", "init", "plan", "refresh")
    )
    chosen = [f".terraform/{environment} {options} ", f"-chdir={make.configuration}"]
    assert lines == [*chosen, "init", "-reconfigure", "-input=false", *chosen, "state", "rm", 'a.b["c"]']


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["ARGS=plan"], "make terraform ENV=dev (or main) ARGS=plan"),
        (["ENV=prod", "ARGS=plan"], "make terraform ENV=dev (or main) ARGS=plan"),
        (["ENV=dev"], "make terraform ENV=dev ARGS=plan"),
        (["ENV=dev", "ARGS=plan -var-file=environments/main.tfvars"], "leave out -var-file"),
        (["ENV=dev", "ARGS=init -backend-config=environments/main.gcs.tfbackend"], "leave out -var-file"),
    ],
)
def test_what_could_mix_environments_is_refused(make: Make, arguments: list[str], told: str) -> None:
    result = make(*arguments)
    assert result.returncode != 0
    assert told in result.stderr
    assert not make.calls.exists()


def test_values_of_the_other_environment_are_refused(make: Make) -> None:
    values = make.configuration / "environments" / "dev.tfvars"
    values.write_text(values.read_text().replace('environment = "dev"', 'environment = "main"'))
    result = make("ENV=dev", "ARGS=plan")
    assert result.returncode != 0
    assert 'dev.tfvars is not for dev: it must say environment = "dev"' in result.stderr
    assert not make.calls.exists()


def test_a_missing_bucket_is_named(make: Make) -> None:
    (make.configuration / "environments" / "dev.gcs.tfbackend").write_text('bucket = "" # yours\n')
    result = make("ENV=dev", "ARGS=plan")
    assert result.returncode != 0
    assert "dev.gcs.tfbackend names no bucket" in result.stderr
    assert not make.calls.exists()

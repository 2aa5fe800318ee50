"""Terraform itself, where it is installed and its providers can be had."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from delivery.tools.program import SHORT_LIVED
from tests.terraform.configuration import ROOT

NO_TERRAFORM = "terraform is not installed: get 1.11 or newer from https://developer.hashicorp.com/terraform/install"
NO_PROVIDERS = (
    "terraform cannot reach registry.terraform.io for its providers: connect to the Internet, "
    "or let TF_CLI_CONFIG_FILE name a configuration with a mirror of them"
)


class Terraform:
    """Runs terraform in copies of the configuration, with the providers of one initialisation."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def copy(self, target: Path) -> Path:
        """Copy the configuration, without what an installation keeps beside it."""
        shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
        lock = self.data / ".terraform.lock.hcl"
        if lock.exists():
            shutil.copy(lock, target)
        return target

    def __call__(self, directory: Path, *arguments: str, **options: str) -> subprocess.CompletedProcess[str]:
        """Run a terraform command in a directory, with options in its environment.

        The token lets the provider that is not mocked start where nobody is logged in to Google, and opens nothing.
        """
        environment = {"TF_DATA_DIR": str(self.data / ".terraform"), "TF_IN_AUTOMATION": "1"}
        token = {"GOOGLE_OAUTH_ACCESS_TOKEN": "none"}
        return subprocess.run(
            ["terraform", *arguments],
            cwd=directory,
            env={**os.environ, **SHORT_LIVED, **environment, **token, **options},
            capture_output=True,
            text=True,
            check=False,
        )

    def test(self, directory: Path, environment: str) -> list[dict[str, Any]]:
        """Run `terraform test` with an environment's variables; return its messages."""
        result = self(
            directory,
            "test",
            "-json",
            f"-var-file=environments/{environment}.tfvars",
            "-var-file=tests/example.tfvars",
        )
        return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


def errors(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The diagnostics that are no warnings: Terraform warns of each run that has a target."""
    found = [message["diagnostic"] for message in messages if message["type"] == "diagnostic"]
    return [diagnostic for diagnostic in found if diagnostic["severity"] == "error"]


@pytest.fixture(scope="session")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    """Terraform with its providers; skips, saying why, where they cannot be had."""
    if shutil.which("terraform") is None:
        pytest.skip(NO_TERRAFORM)
    data = tmp_path_factory.mktemp("terraform")
    run = Terraform(data)
    directory = run.copy(data / "initialised")
    result = run(directory, "init", "-backend=false", "-input=false", "-no-color")
    if "could not connect to registry.terraform.io" in " ".join(result.stderr.split()):
        pytest.skip(NO_PROVIDERS)
    assert result.returncode == 0, result.stderr
    shutil.copy(directory / ".terraform.lock.hcl", data)
    return run

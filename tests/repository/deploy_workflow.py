"""deploy.yml, read as GitHub reads it and run as its runner runs it."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from delivery.checkout import ROOT

PATH = ROOT / ".github" / "workflows" / "deploy.yml"
DIGEST = "sha256:" + "1" * 64
COMMIT = "2" * 40
GIVEN = {
    "github.ref_name": "dev",
    "github.sha": COMMIT,
    "inputs.releases": "1",
    "needs.image.outputs.digest": DIGEST,
    "vars.DB_USER": "taskpulse",
    "vars.GCP_PROJECT_ID": "example",
    "vars.IMAGE_REPOSITORY": "gcr.io/example/taskpulse-api",
    "vars.TESTED_IMAGE_REPOSITORY": "gcr.io/example-dev/taskpulse-api",
}
"""What the expressions stand for in a push to dev, and in a rollback by hand."""
NO_ROW: Mapping[str, str] = {}


def jobs() -> dict[str, dict[str, Any]]:
    loaded: dict[str, dict[str, Any]] = yaml.safe_load(PATH.read_text())["jobs"]
    return loaded


def commands(job: str) -> list[dict[str, Any]]:
    """The steps of a job that run something."""
    return [step for step in jobs()[job]["steps"] if "run" in step]


def rows(job: str) -> list[dict[str, str]]:
    """The rows of a job's matrix; one without anything where it has none."""
    include: list[dict[str, str]] = jobs()[job].get("strategy", {"matrix": {"include": [{}]}})["matrix"]["include"]
    return include


def action(job: str, name: str) -> dict[str, Any]:
    """The step of a job that uses an action."""
    (step,) = [each for each in jobs()[job]["steps"] if each.get("uses", "").startswith(f"{name}@")]
    return dict(step)


def fill(text: str, row: Mapping[str, str]) -> str:
    """Text with its expressions worked out for a row of the matrix; an unknown one becomes nothing, as in GitHub."""
    known = GIVEN | {f"matrix.{name}": value for name, value in row.items()}
    return re.sub(r"\$\{\{ (\S+) \}\}", lambda match: known.get(match[1], ""), text)


def environment(
    job: str, step: Mapping[str, Any], runner_temp: Path, row: Mapping[str, str] = NO_ROW
) -> dict[str, str]:
    """What GitHub's runner puts into the environment of a step."""
    own = jobs()[job].get("env", {}) | step.get("env", {})
    return {name: fill(value, row) for name, value in own.items()} | {
        "GITHUB_SHA": COMMIT,
        "RUNNER_TEMP": str(runner_temp),
    }


def arguments(job: str, step: Mapping[str, Any], runner_temp: Path, row: Mapping[str, str] = NO_ROW) -> list[str]:
    """The words of a step's command line, as the shell makes them."""
    shell = ["bash", "-euc", f"printf '%s\\n' {step['run']}"]
    values = environment(job, step, runner_temp, row) | {"PATH": os.environ["PATH"]}
    return subprocess.run(shell, env=values, capture_output=True, text=True, check=True).stdout.splitlines()

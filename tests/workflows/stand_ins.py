"""The stand-ins of a test, and the files through which they and the test know of each other."""

import hashlib
import json
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import yaml

from tests.workflows.events import Origin

HERE = Path(__file__).parent
PROGRAM = HERE / "stand_in.py"
ACTIONS = yaml.safe_load((HERE / "actions.yaml").read_text())
PROGRAMS = ("gh", "make", "rm", "cat", "kubectl")
VARIABLES = (
    "DB_USER",
    "DEPLOYER_SERVICE_ACCOUNT",
    "GCP_PROJECT_ID",
    "GKE_CLUSTER",
    "GKE_LOCATION",
    "IMAGE_REPOSITORY",
    "PUBLISHER_SERVICE_ACCOUNT",
    "WORKLOAD_IDENTITY_PROVIDER",
)
"""What Terraform makes in each environment, beside TESTED_IMAGE_REPOSITORY."""


def digest(commit: str) -> str:
    """The digest of the image that a build of this commit makes."""
    return f"sha256:{hashlib.sha256(commit.encode()).hexdigest()}"


class Stand:
    """A folder with stand-ins and with what they write down."""

    TOKEN: ClassVar = "token-of-github"

    def __init__(
        self, folder: Path, origin: Origin, failing: list[str], running: str, registry: Mapping[str, str]
    ) -> None:
        self._state = folder / "state"
        (self._state / "artifacts").mkdir(parents=True)
        (self._state / "origin").symlink_to(origin.folder)
        self.fail(failing)
        (self._state / "running").write_text(running)
        images = {name: {origin.tree(commit): digest(origin.commits[commit])} for name, commit in registry.items()}
        (self._state / "registry").write_text(json.dumps(images))
        self._actions = folder / "actions"
        self._write_actions()
        programs = folder / "programs"
        programs.mkdir()
        for name in PROGRAMS:
            write_program(programs / name, name)
        (programs / "node").symlink_to("/bin/false")  # act looks for one in each job, and no stand-in needs it
        (folder / "home").mkdir()
        self.environment = {
            "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder / "home"),
            "DOCKER_HOST": "unix:///nowhere",
            "HTTPS_PROXY": "http://127.0.0.1:9",  # act asks its makers for news
            "STAND_IN_STATE": str(self._state),
        }

    def _write_actions(self) -> None:
        """Write each action as a composite one that calls the program for it."""
        for name, known in ACTIONS.items():
            outputs = {each: {"value": f"${{{{ steps.it.outputs.{each} }}}}"} for each in known.get("outputs", [])}
            call = shlex.join([sys.executable, "-IS", str(PROGRAM), "action", name])
            step = {
                "id": "it",
                "shell": "bash",
                "run": f'OUTPUTS="$GITHUB_OUTPUT" {call}',
                "env": {"INPUTS": "${{ toJSON(inputs) }}"},
            }
            inputs = {each: {"default": default} for each, default in known["inputs"].items()}
            action = {
                "name": name,
                "description": "stand-in",
                "inputs": inputs,
                "outputs": outputs,
                "runs": {"using": "composite", "steps": [step]},
            }
            (self._actions / name).mkdir(parents=True)
            (self._actions / name / "action.yml").write_text(yaml.safe_dump(action))

    def fail(self, failing: list[str]) -> None:
        """Let fail from now on what begins like one of these."""
        (self._state / "failing").write_text(json.dumps(failing))

    def repositories(self, uses: list[str]) -> Iterator[str]:
        """For act: the folder of each action."""
        for each in sorted(set(uses)):
            name = each.partition("@")[0]
            assert name in ACTIONS, f"add {name} to tests/workflows/actions.yaml and to stand_in.py"
            yield f"{each}={self._actions / name}"

    def variables(self, ref: str) -> Iterator[str]:
        """The variables of the environment of a branch."""
        branch = ref.removeprefix("refs/heads/")
        if branch in {"dev", "main"}:
            yield from (f"{name}={name}-of-{branch}" for name in VARIABLES)
            yield "TESTED_IMAGE_REPOSITORY=IMAGE_REPOSITORY-of-dev"

    def collector(self, jobs: list[str]) -> dict[str, Any]:
        """A job that writes down the results and outputs of all others."""
        step = {"run": 'echo "$NEEDS" > "$STAND_IN_STATE/needs"', "env": {"NEEDS": "${{ toJSON(needs) }}"}}
        return {"runs-on": "ubuntu-24.04", "needs": jobs, "if": "always()", "steps": [step]}

    def reset(self) -> None:
        """Forget what jobs did and came to; artifacts stay."""
        (self._state / "log").write_text("")
        (self._state / "needs").unlink(missing_ok=True)

    def collected(self, said: str) -> dict[str, Any]:
        """Result and outputs of each job."""
        assert (self._state / "needs").exists(), f"act ran no job to the end:\n{said}"
        return dict(json.loads((self._state / "needs").read_text()))

    def did(self) -> dict[str, list[str]]:
        """What each job did, in order."""
        found: dict[str, list[str]] = {}
        for line in (self._state / "log").read_text().splitlines():
            entry = json.loads(line)
            found.setdefault(entry["job"], []).append(entry["did"])
        return found


def write_program(path: Path, name: str) -> None:
    path.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, "-IS", str(PROGRAM)])} program {name} "$@"\n')
    path.chmod(0o755)

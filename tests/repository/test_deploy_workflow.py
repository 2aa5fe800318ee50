"""deploy.yml calls what exists, with arguments that parse. tests/delivery/deploy/test_workflow.py runs its steps."""

import re
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from delivery.checkout import ROOT, overlays
from delivery.cli import main
from tests.repository.deploy_workflow import COMMIT, DIGEST, PATH, arguments, commands, jobs

STEPS = [(job, step) for job in jobs() for step in commands(job)]
EVERY_STEP = pytest.mark.parametrize(("job", "step"), STEPS, ids=[f"{job}: {step['run'][:40]}" for job, step in STEPS])


def uses(job: str) -> list[str]:
    """The actions of a job, in order."""
    return [step["uses"].partition("@")[0] for step in jobs()[job]["steps"] if "uses" in step]


@EVERY_STEP
def test_a_step_is_one_command(job: str, step: dict[str, Any]) -> None:
    assert re.search(r"[;|&<>\n`]|\$\(", step["run"].strip()) is None, f"{job}: make it a target or a delivery command"
    assert step["run"].split()[0] in {"make", ".venv/bin/python", "rm"}


@EVERY_STEP
def test_its_arguments_parse(job: str, step: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    program, *words = arguments(job, step, tmp_path)
    if program == "make":
        result = subprocess.run(["make", "--dry-run", *words], cwd=ROOT, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
    elif program == ".venv/bin/python":
        assert words[:2] == ["-m", "delivery"]
        command = main.get_command(click.Context(main), words[2])
        assert command is not None, f"delivery has no {words[2]}"
        assert misunderstood(command, words[3:]) == "", f"delivery {words[2]} has other options"
    else:
        assert words == ["-rf", str(tmp_path / "secrets")]


def misunderstood(command: click.Command, words: list[str]) -> str:
    """What click says of the arguments; "" where it takes them."""
    try:
        command.make_context("", list(words))
    except click.UsageError as error:
        return error.format_message()
    return ""


def test_what_was_built_is_what_is_deployed(tmp_path: Path) -> None:
    (deploy,) = [step for step in commands("deploy") if " delivery deploy " in step["run"]]
    words = arguments("deploy", deploy, tmp_path)
    assert words[3:5] == ["deploy", "dev"]
    assert words[words.index("--image") + 1] == f"gcr.io/example/taskpulse-api@{DIGEST}"
    assert words[words.index("--commit") + 1] == COMMIT
    (push,) = [step for step in jobs()["image"]["steps"] if step.get("id") == "push"]
    assert jobs()["image"]["outputs"]["digest"] == "${{ steps.push.outputs.digest }}"
    assert push["with"]["build-args"] == "REVISION=${{ github.sha }}"
    assert {"push-by-digest=true", "push=true"} <= set(push["with"]["outputs"].split(","))
    assert (push["with"]["sbom"], push["with"]["provenance"]) == (True, "mode=max")
    (scan,) = [step for step in jobs()["image"]["steps"] if "trivy-action" in step.get("uses", "")]
    assert scan["with"]["image-ref"] == "${{ vars.IMAGE_REPOSITORY }}@${{ steps.push.outputs.digest }}"
    assert scan["with"]["exit-code"] == "1"


def test_nothing_is_deployed_untested() -> None:
    assert jobs()["image"]["needs"] == ["test"]
    assert jobs()["deploy"]["needs"] == ["image"]
    assert [step["run"] for step in commands("test")] == ["make test"]


def test_one_run_at_a_time_in_an_environment_and_none_is_broken_off() -> None:
    workflow = yaml.safe_load(PATH.read_text())
    assert workflow["concurrency"] == {"group": "deploy-${{ github.ref_name }}", "cancel-in-progress": False}
    assert sorted(workflow[True]["push"]["branches"]) == overlays()


@pytest.mark.parametrize("job", ["image", "deploy", "rollback"])
def test_a_job_with_the_deployers_identity_is_in_its_environment_and_checks_out_first(job: str) -> None:
    assert jobs()[job]["environment"] == "${{ github.ref_name }}"
    assert jobs()[job]["permissions"] == {"contents": "read", "id-token": "write"}
    names = uses(job)
    assert names.index("actions/checkout") < names.index("google-github-actions/auth")


@pytest.mark.parametrize("job", ["deploy", "rollback"])
def test_the_cluster_is_reached_by_its_name(job: str) -> None:
    (step,) = [each for each in jobs()[job]["steps"] if "get-gke-credentials" in each.get("uses", "")]
    assert step["with"]["use_dns_based_endpoint"] is True
    assert jobs()[job]["timeout-minutes"] < 60, "the credentials live for an hour"


def test_the_secrets_are_removed_whatever_happens() -> None:
    last = jobs()["deploy"]["steps"][-1]
    assert (last["run"], last["if"]) == ('rm -rf "$RUNNER_TEMP/secrets"', "always()"), "they would stay"


def test_the_history_is_there_to_tell_an_older_commit() -> None:
    (checkout,) = [step for step in jobs()["deploy"]["steps"] if "actions/checkout" in step.get("uses", "")]
    assert checkout["with"]["fetch-depth"] == 0, "a shallow checkout has no history"

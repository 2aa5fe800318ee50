"""deploy.yml calls what exists, with arguments that parse. tests/delivery/deploy/test_workflow.py runs its steps."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from delivery.checkout import ROOT
from delivery.cli import main
from delivery.kustomizations import overlays
from tests.repository.deploy_workflow import COMMIT, DIGEST, PATH, action, arguments, commands, jobs, rows

REFUSAL = "no-environment"
"""A job that only says a sentence and fails; tests/workflows/ runs it."""
STEPS = [(job, step, row) for job in jobs() if job != REFUSAL for step in commands(job) for row in rows(job)]
NAMES = [f"{job} {row.get('part', '')}: {step['run'][:40]}" for job, step, row in STEPS]
EVERY_STEP = pytest.mark.parametrize(("job", "step", "row"), STEPS, ids=NAMES)
GATES = {"test", "image", "scan", "tools"}

CACHES: dict[str, dict[str, Any]] = {
    "actions/checkout": {},
    "actions/download-artifact": {},
    "actions/setup-python": {"cache": None},
    "actions/upload-artifact": {},
    "aquasecurity/trivy-action": {"cache": "false"},
    "docker/build-push-action": {"cache-from": None},
    "docker/login-action": {},
    "docker/setup-buildx-action": {"cache-binary": False},
    "google-github-actions/auth": {},
    "google-github-actions/get-gke-credentials": {},
    "google-github-actions/setup-gcloud": {},
}
"""The inputs by which each action restores nothing from GitHub's cache; None where it does so by default."""


def uses(job: str) -> list[str]:
    """The actions of a job, in order."""
    return [step["uses"].partition("@")[0] for step in jobs()[job]["steps"] if "uses" in step]


@EVERY_STEP
def test_a_step_is_one_command(job: str, step: dict[str, Any], row: Mapping[str, str]) -> None:
    assert re.search(r"[;|&<>\n`]|\$\(", step["run"].strip()) is None, f"{job}: make it a target or a delivery command"
    assert step["run"].split()[0] in {"make", ".venv/bin/python", "rm"}


@EVERY_STEP
def test_its_arguments_parse(job: str, step: dict[str, Any], row: Mapping[str, str], tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    program, *words = arguments(job, step, tmp_path, row)
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
    (push,) = [step for step in commands("image") if " delivery push-image " in step["run"]]
    assert push["id"] == "push"
    assert arguments("image", push, tmp_path)[4:] == ["gcr.io/example/taskpulse-api", "--folder", "build/image"]
    assert jobs()["image"]["outputs"]["digest"] == "${{ steps.push.outputs.digest }}"
    build = action("image", "docker/build-push-action")["with"]
    assert (build["build-args"], build["sbom"], build["provenance"]) == ("REVISION=${{ github.sha }}", True, "mode=max")
    assert build["outputs"] == "type=oci,dest=build/image,tar=false"


def test_a_tree_is_built_once(tmp_path: Path) -> None:
    (find,) = [step for step in commands("image") if " delivery find-image " in step["run"]]
    own, tested = "gcr.io/example/taskpulse-api", "gcr.io/example-dev/taskpulse-api"
    assert arguments("image", find, tmp_path)[4:] == [own, tested, "--folder", "build/image"]
    builders = [step for step in jobs()["image"]["steps"] if step.get("uses", "").startswith("docker/setup-buildx")]
    for step in (*builders, action("image", "docker/build-push-action")):
        assert step["if"] == f"${{{{ !steps.{find['id']}.outputs.image }}}}"


def test_what_was_built_is_what_is_scanned_without_a_token() -> None:
    upload = action("image", "actions/upload-artifact")
    assert upload["with"]["path"] == "build/image"
    assert jobs()["image"]["outputs"]["artifact"] == f"${{{{ steps.{upload['id']}.outputs.artifact-id }}}}"
    download = action("scan", "actions/download-artifact")["with"]
    assert download.pop("github-token") == "${{ github.token }}", "an earlier attempt uploaded it"
    assert download == {"artifact-ids": "${{ needs.image.outputs.artifact }}", "path": "build/image"}
    scan = action("scan", "aquasecurity/trivy-action")
    assert (scan["with"]["input"], scan["with"]["exit-code"]) == ("build/image", "1")
    assert jobs()["scan"]["permissions"] == {"contents": "read", "actions": "read"}, (
        "the scanner could become the publisher"
    )
    assert "environment" not in jobs()["scan"]


def test_the_deploy_waits_for_every_gate() -> None:
    deploy = jobs()["deploy"]
    assert set(deploy["needs"]) == GATES
    assert "if" not in deploy, "only without a condition of its own is it skipped when a gate fails"
    forgiving = [name for name in GATES if "continue-on-error" in str(jobs()[name])]
    assert forgiving == [], "a gate that may fail is none"


def test_gates_run_side_by_side() -> None:
    waiting = {name: jobs()[name]["needs"] for name in GATES if "needs" in jobs()[name]}
    assert waiting == {"scan": ["image"]}, "each other gate starts with the push"


def test_by_hand_only_the_rollback_runs() -> None:
    assert jobs()["rollback"]["if"].startswith("github.event_name == 'workflow_dispatch' && ")
    on_push = {name for name, job in jobs().items() if job.get("if") == "github.event_name == 'push'"}
    assert on_push == GATES - {"scan"}, "the scan and the deploy are skipped with what they wait for"


def test_no_job_restores_a_cache() -> None:
    steps = [(name, step) for name, job in jobs().items() for step in job["steps"] if "uses" in step]
    assert steps
    for name, step in steps:
        used = step["uses"].partition("@")[0]
        assert used in CACHES, f"find out whether {used} restores a cache, and add it to CACHES"
        given = {key: step.get("with", {}).get(key) for key in CACHES[used]}
        assert given == CACHES[used], f"{name}: {used} restores what another run wrote"


def test_the_tools_are_those_of_this_run() -> None:
    upload = action("tools", "actions/upload-artifact")
    assert jobs()["tools"]["outputs"]["artifact"] == f"${{{{ steps.{upload['id']}.outputs.artifact-id }}}}"
    given = dict(action("deploy", "actions/download-artifact")["with"])
    assert given.pop("artifact-ids", None) == "${{ needs.tools.outputs.artifact }}", (
        "by its name another job could replace it"
    )
    assert given.pop("path") == str(Path(upload["with"]["path"]).parent)
    assert given == {"github-token": "${{ github.token }}"}


def test_the_deploy_can_be_run_again_alone() -> None:
    assert "github-token" in action("deploy", "actions/download-artifact")["with"], "an earlier attempt uploaded them"
    assert jobs()["deploy"]["permissions"]["actions"] == "read"
    assert action("tools", "actions/upload-artifact")["with"]["retention-days"] >= 30, "GitHub runs jobs again so long"


def test_one_run_at_a_time_in_an_environment_and_none_is_broken_off() -> None:
    workflow = yaml.safe_load(PATH.read_text())
    assert workflow["concurrency"] == {"group": "deploy-${{ github.ref_name }}", "cancel-in-progress": False}
    assert sorted(workflow[True]["push"]["branches"]) == overlays()


@pytest.mark.parametrize(
    ("job", "environment", "account"),
    [
        ("image", "${{ github.ref_name }}-image", "PUBLISHER"),
        ("deploy", "${{ github.ref_name }}", "DEPLOYER"),
        ("rollback", "${{ github.ref_name }}", "DEPLOYER"),
    ],
)
def test_a_job_with_an_identity_is_in_the_environment_of_its_account_and_checks_out_first(
    job: str, environment: str, account: str
) -> None:
    assert jobs()[job]["environment"] == environment
    auth = action(job, "google-github-actions/auth")
    assert auth["with"]["service_account"] == f"${{{{ vars.{account}_SERVICE_ACCOUNT }}}}"
    granted = {name: grant for name, grant in jobs()[job]["permissions"].items() if grant == "write"}
    assert granted == {"id-token": "write"}
    names = uses(job)
    assert names.index("actions/checkout") < names.index("google-github-actions/auth")


@pytest.mark.parametrize("job", ["deploy", "rollback"])
def test_the_cluster_is_reached_by_its_name(job: str) -> None:
    step = action(job, "google-github-actions/get-gke-credentials")
    assert step["with"]["use_dns_based_endpoint"] is True
    assert jobs()[job]["timeout-minutes"] < 60, "the credentials live for an hour"


def test_the_secrets_are_removed_whatever_happens() -> None:
    last = jobs()["deploy"]["steps"][-1]
    assert (last["run"], last["if"]) == ('rm -rf "$RUNNER_TEMP/secrets"', "always()"), "they would stay"


def test_the_history_is_there_to_tell_an_older_commit() -> None:
    assert action("deploy", "actions/checkout")["with"]["fetch-depth"] == 0, "a shallow checkout has no history"

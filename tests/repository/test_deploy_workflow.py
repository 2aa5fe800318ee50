"""deploy.yml calls what exists, with arguments that parse; and its steps run here, without GitHub and Google.

The step that deploys has its own tests in tests/delivery/deploy; `make test` and `make tools helm` run before these.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from delivery.checkout import ROOT, overlays
from delivery.cli import main
from delivery.deploy.secrets import TABLE
from tests.cluster.controlplane import BINARIES, Cluster
from tests.delivery.test_fetch_secrets import GCLOUD
from tests.repository.deploy_workflow import COMMIT, DIGEST, PATH, arguments, commands, environment, jobs

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
        command.make_context(words[2], words[3:])
    else:
        assert words == ["-rf", str(tmp_path / "secrets")]


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
    assert (last["run"], last["if"]) == ('rm -rf "$RUNNER_TEMP/secrets"', "always()")


def test_the_history_is_there_to_tell_an_older_commit() -> None:
    (checkout,) = [step for step in jobs()["deploy"]["steps"] if "actions/checkout" in step.get("uses", "")]
    assert checkout["with"]["fetch-depth"] == 0


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose monitoring chart is the one that stands in: the real one's registry cannot be reached here."""
    folder = tmp_path / "checkout"
    for name in ("app", "base", "delivery", "monitoring", "overlays", "terraform"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".terraform"))
    (folder / ".tools").symlink_to(ROOT / ".tools")
    (folder / ".venv").symlink_to(sys.prefix)
    pin = {"chart": str(ROOT / "tests" / "data" / "chart"), "version": "88.5.3"}
    (folder / "monitoring" / "chart" / "pin.yaml").write_text(yaml.safe_dump(pin))
    return folder


@pytest.mark.slow
def test_the_secrets_reach_the_cluster_and_nothing_else(cluster: Cluster, checkout: Path, tmp_path: Path) -> None:
    """The steps of the job `deploy` around the deploy itself, in their order, gcloud alone being a stand-in."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gcloud").write_text(GCLOUD)
    (tmp_path / "bin" / "gcloud").chmod(0o755)
    runner = {
        "PATH": f"{tmp_path}/bin:{BINARIES}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "KUBECONFIG": str(cluster.kubeconfig),
        "GITHUB_ACTIONS": "true",
    }
    said = ""
    try:
        for step in commands("deploy"):
            if step["run"].startswith("make ") or " delivery deploy " in step["run"]:
                continue  # the tools are built already; a deploy needs pods that answer
            values = runner | environment("deploy", step, tmp_path)
            shell = ["bash", "-e", "-c", step["run"]]
            result = subprocess.run(shell, cwd=checkout, env=values, capture_output=True, text=True, check=False)
            assert result.returncode == 0, f"{step['run']}: {result.stderr}"
            said += result.stdout + result.stderr
        grafana = cluster.get("deployment", "monitoring-grafana", "--namespace=monitoring")
        assert grafana["status"]["readyReplicas"] == 1
    finally:
        cluster.remove_namespaces("monitoring")
        cluster.kubectl("delete", "crd", "probes.stand-in.example.com", "--ignore-not-found")
    shown = [line for line in said.splitlines() if not line.startswith("::add-mask::")]
    assert not any(value in line for line in shown for value in ("tp-%-value", "tp-%25-value"))
    assert not (tmp_path / "secrets").exists()
    assert len(yaml.safe_load(TABLE.read_text())) == sum("::add-mask::tp" in line for line in said.splitlines())

"""The steps of deploy.yml in their order, as its runner runs them. Google is two stand-ins, and GitHub is us.

What the actions do is not run: build, push, scan, and the credentials for the cluster.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from delivery.checkout import ROOT
from tests.delivery.deploy.server import pods_answer
from tests.delivery.secret_manager import ENDPOINT, SecretManager, install_gcloud
from tests.repository.deploy_workflow import COMMIT, action, commands, environment
from tests.support.cluster.controlplane import BINARIES, Cluster

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("overlays")]

NAMESPACE = "taskpulse-dev"
COPIED = ("app/postgres/migrations", "base", "delivery", "monitoring", "overlays", "requirements", "terraform", "tools")


class Runner:
    """A machine of GitHub's with a checkout, gcloud, kubectl, and a context for the cluster."""

    def __init__(self, folder: Path, cluster: Cluster, port: int, secret_manager: str) -> None:
        self.temp = folder / "temp"
        self.temp.mkdir()
        self.checkout = folder / "checkout"
        for name in COPIED:
            ignored = shutil.ignore_patterns("__pycache__", ".terraform*")
            shutil.copytree(ROOT / name, self.checkout / name, ignore=ignored)
        for name in ("Makefile", "pyproject.toml"):
            shutil.copy2(ROOT / name, self.checkout)
        (self.checkout / ".venv").symlink_to(sys.prefix)
        deployment = self.checkout / "base" / "deployment.yaml"  # pods answer on a port that is free here
        deployment.write_text(deployment.read_text().replace("containerPort: 8000", f"containerPort: {port}"))
        pin = {"chart": str(ROOT / "tests" / "data" / "chart"), "version": "88.5.3"}  # its registry is out of reach
        (self.checkout / "monitoring" / "chart" / "pin.yaml").write_text(yaml.safe_dump(pin))
        command = self.checkout / "delivery" / "cli" / "deploy.py"  # the time to watch the pods is not the subject here
        command.write_text(command.read_text().replace('default="60s"', 'default="2s"'))
        install_gcloud(folder / "bin")
        self.environment = {
            "PATH": f"{folder}/bin:{BINARIES}:/usr/bin:/bin",
            "HOME": str(folder),
            "KUBECONFIG": str(cluster.kubeconfig),
            "GITHUB_ACTIONS": "true",
            "GITHUB_STEP_SUMMARY": str(self.temp / "summary"),
            ENDPOINT: secret_manager,
        }

    def receive_tools(self) -> None:
        """Run the job `tools`, and hand its artifact over. The checkout has no other tools."""
        (step,) = commands("tools")
        folder = self.checkout / action("deploy", "actions/download-artifact")["with"]["path"]
        archive = folder / Path(action("tools", "actions/upload-artifact")["with"]["path"]).name
        subprocess.run([*step["run"].split(), f"DEPLOY_TOOLS={archive}"], cwd=ROOT, check=True)

    def run(self, job: str, commit: str = COMMIT) -> str:
        """Run the steps of a job, and return what they said. The rollback uses what the deploy has unpacked."""
        said = ""
        for step in commands(job):
            if step["run"] == "make tools":
                continue
            values = self.environment | environment(job, step, self.temp) | {"GITHUB_SHA": commit}
            shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
            result = subprocess.run(shell, cwd=self.checkout, env=values, capture_output=True, text=True, check=False)
            said += result.stdout + result.stderr
            assert result.returncode == 0, f"{step['run']}: {said}"
        return said


@pytest.fixture
def runner(cluster: Cluster, tmp_path: Path) -> Iterator[Runner]:
    with pods_answer(cluster, NAMESPACE) as port, SecretManager() as secret_manager:
        yield Runner(tmp_path, cluster, port, secret_manager.url)
        cluster.remove_namespaces(NAMESPACE, "monitoring")
    cluster.kubectl("delete", "crd", "probes.stand-in.example.com", "--ignore-not-found")


def revisions(cluster: Cluster) -> set[str]:
    """The commits that pods show which are there to stay."""
    pods = cluster.get("pods", f"--namespace={NAMESPACE}")["items"]
    containers = [pod["spec"]["containers"][0] for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    return {each["value"] for container in containers for each in container["env"] if each["name"] == "REVISION"}


def test_it_works(cluster: Cluster, runner: Runner) -> None:
    first, second = 40 * "a", 40 * "b"
    runner.receive_tools()
    said = runner.run("deploy", first)
    assert revisions(cluster) == {first}
    grafana = cluster.get("deployment", "monitoring-grafana", "--namespace=monitoring")
    assert grafana["status"]["readyReplicas"] == 1

    said += runner.run("deploy", second)
    assert revisions(cluster) == {second}

    said += runner.run("rollback")
    assert revisions(cluster) == {first}

    masked = re.findall(r"^::add-mask::.+$", said, re.MULTILINE)
    assert any("tp-%25-value" in line for line in masked)
    shown = "\n".join(line for line in said.splitlines() if line not in masked)
    assert "tp-%" not in shown + (runner.temp / "summary").read_text()
    assert not (runner.temp / "secrets").exists()

"""A checkout of its own, with a Git history of its own, that deploys one overlay to one namespace."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from delivery.checkout import ROOT
from tests.support.cluster.controlplane import BINARIES, Cluster
from tests.support.cluster.kubelet import GOOD

COPIED = ("app/postgres/migrations", "base", "delivery", "monitoring", "overlays", "terraform/secrets.yaml")
PASSWORD = "correct-horse-battery"
SECRETS = {
    "taskpulse-database-password": PASSWORD,
    "taskpulse-service-password": "bed-stapler-horseshoe",
    "taskpulse-database-ca": "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUZ\n-----END CERTIFICATE-----\n",
    "taskpulse-metrics-token": "staple-token-for-scrapes",
}
GIT = ("git", "-c", "user.name=Tests", "-c", "user.email=tests@example.com", "-c", "commit.gpgsign=false")


class Project:
    """A checkout in `folder`; what it deploys lives in `namespace`, and its pods listen on `port`.

    Pods with an image in `sick` say that they are not ready, and more can be added at any time.
    """

    def __init__(self, folder: Path, cluster: Cluster, namespace: str, port: int, sick: set[str]) -> None:
        self.sick = sick
        self.folder = folder
        self.cluster = cluster
        self.namespace = namespace
        self.overlay = folder / f"variant-of-{namespace}"
        self.kubeconfig = cluster.kubeconfig
        for part in COPIED:
            source = ROOT / part
            target = folder / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                shutil.copy(source, target)
        (folder / ".tools").symlink_to(ROOT / ".tools")
        self.secrets = folder / "secrets"
        self.secrets.mkdir()
        for name, value in SECRETS.items():
            (self.secrets / name).write_text(value)
        self.overlay.mkdir()
        self.kustomization: dict[str, Any] = {
            "namespace": namespace,
            "resources": ["../overlays/dev"],
            "patches": [],
        }
        self.listen_on(port)
        self.git("init", "--quiet")
        self.commit()

    def listen_on(self, port: int) -> None:
        """Have the pods listen on `port`, and count as available once they are ready."""
        listen = [
            {"op": "replace", "path": "/spec/template/spec/containers/0/ports/0/containerPort", "value": port},
            {"op": "replace", "path": "/spec/minReadySeconds", "value": 0},
        ]
        patch = {"target": {"kind": "Deployment"}, "patch": yaml.safe_dump(listen)}
        self.kustomization["patches"] = [patch, *self.kustomization["patches"][1:]]

    def git(self, *arguments: str) -> str:
        return subprocess.run([*GIT, *arguments], cwd=self.folder, check=True, capture_output=True, text=True).stdout

    def commit(self, **changes: Any) -> str:
        """Commit the overlay with `changes` to its kustomization; returns the commit."""
        self.kustomization |= changes
        (self.overlay / "kustomization.yaml").write_text(yaml.safe_dump(self.kustomization))
        self.git("add", "--all", "app", "base", "monitoring", "overlays", self.overlay.name)
        self.git("commit", "--quiet", "--allow-empty", "--message=A change")
        return self.head()

    def head(self) -> str:
        return self.git("rev-parse", "HEAD").strip()

    def with_settings(self, name: str, **values: str) -> dict[str, Any]:
        """Changes of the kustomization that add a ConfigMap with a name of its own."""
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": values}
        (self.overlay / f"{name}.yaml").write_text(yaml.safe_dump(config))
        return {"resources": sorted({*self.kustomization["resources"], f"{name}.yaml"})}

    def without(self, name: str) -> dict[str, Any]:
        return {"resources": [each for each in self.kustomization["resources"] if each != f"{name}.yaml"]}

    def environment(self) -> dict[str, str]:
        path = f"{BINARIES}{os.pathsep}{os.environ['PATH']}"
        own = {"PATH": path, "KUBECONFIG": str(self.kubeconfig), "DB_USER": "taskpulse"}
        return {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")} | own

    def start(self, *arguments: str, program: Sequence[str] = ("-m", "delivery")) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *program, *self.without_bake(arguments)],
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def without_bake(self, arguments: Sequence[str]) -> list[str]:
        """Arguments with a bake of no time, where they are of a command that has one and say nothing of it."""
        bakes = arguments[0] in {"deploy", "rollback"} and not any(each.startswith("--bake") for each in arguments)
        return [*arguments, *(["--bake=0s"] if bakes else [])]

    def delivery(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of delivery, whatever its exit status."""
        process = self.start(*arguments)
        out, err = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def arguments(self, image: str = GOOD, *more: str) -> list[str]:
        return [str(self.overlay), f"--image={image}", f"--secrets={self.secrets}", *more]

    def deploy(self, image: str = GOOD, *more: str) -> subprocess.CompletedProcess[str]:
        return self.delivery("deploy", *self.arguments(image, *more))

    def deployed(self, image: str = GOOD, *more: str) -> dict[str, Any]:
        """Result of a deploy, which must succeed."""
        result = self.deploy(image, "--output=json", *more)
        assert result.returncode == 0, result.stderr
        answer: dict[str, Any] = json.loads(result.stdout)
        return answer

    def plan(self, image: str = GOOD) -> dict[str, dict[str, Any]]:
        """What `plan` would do, by kind and name; objects that stay as they are are left out."""
        result = self.delivery("plan", *self.arguments(image, "--output=json"))
        return changes(json.loads(result.stdout))

    def history(self) -> list[dict[str, Any]]:
        answer: list[dict[str, Any]] = json.loads(self.delivery("history", str(self.overlay), "--output=json").stdout)
        return answer

    def names(self, kind: str) -> set[str]:
        items = self.cluster.get(kind, f"--namespace={self.namespace}")["items"]
        return {each["metadata"]["name"] for each in items}

    def running(self) -> set[tuple[str, str]]:
        """Image and revision of each pod that is there and not going."""
        pods = self.cluster.get("pods", f"--namespace={self.namespace}")["items"]
        return {
            (container["image"], variable["value"])
            for pod in pods
            if "deletionTimestamp" not in pod["metadata"]
            for container in pod["spec"]["containers"]
            for variable in container["env"]
            if variable["name"] == "REVISION"
        }


def changes(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Actions of a plan by kind and name, without those that change nothing."""
    return {f"{each['kind']}/{each['name']}": each for each in answer["plan"] if each["action"] != "unchanged"}


def read_until(process: subprocess.Popen[str], start: str) -> None:
    """Read what a process says up to a line that starts so."""
    assert process.stdout is not None
    assert any(line.startswith(start) for line in process.stdout)


def expire(project: Project) -> None:
    """Let the time of the dead holder's lock be over: a second, not DURATION_S (test_lock.py waits that out)."""
    patch = '{"spec": {"leaseDurationSeconds": 1}}'
    arguments = ("lease", "taskpulse-deploy", f"--namespace={project.namespace}", "--type=merge", f"--patch={patch}")
    project.cluster.run("patch", *arguments)

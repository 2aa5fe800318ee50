"""The monitoring chart by Helm: its Secrets and CustomResourceDefinitions first, then the release."""

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import yaml

from delivery.checkout import ROOT, run
from delivery.errors import DeliveryError

FOLDER = ROOT / "monitoring" / "chart"
PIN = FOLDER / "pin.yaml"
NAMESPACE = "monitoring"
FIELD_MANAGER = "taskpulse-monitoring"
TIMEOUT = "10m"
# what each file of Secret Manager becomes here; the rest of terraform/secrets.yaml is for the service's namespace
SECRETS = {
    "taskpulse-grafana": {"admin-password": "taskpulse-grafana-password"},
    "taskpulse-alerting": {"slack-webhook-url": "taskpulse-slack-webhook"},
}
GRAFANA_USER = b"admin"


def install(overlay: str, secrets: Path) -> None:
    """Bring the pinned chart to the cluster of the current kubeconfig; the same again changes nothing.

    Helm puts the last release back when the new one does not become ready within TIMEOUT.

    Raises:
        DeliveryError: a tool or a secret is missing, or the API server or Helm refuses; with what it said.
    """
    pin = yaml.safe_load(PIN.read_text())
    chart = [pin["chart"], f"--version={pin['version']}"]
    click.echo(f"Chart {pin['chart'].rsplit('/', 1)[-1]} {pin['version']} with the values of {overlay}")
    apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects(secrets)}))
    click.echo(f"  Namespace {NAMESPACE} and its Secrets are there")
    # `helm upgrade` leaves CustomResourceDefinitions as they are
    if definitions := helm("show", "crds", *chart).strip():
        apply(definitions)
        kubectl("wait", "--for=condition=Established", "--filename=-", "--timeout=60s", stdin=definitions)
    click.echo("  CustomResourceDefinitions are those of the chart")
    settle()
    values = [f"--values={FOLDER / name}" for name in ("values.yaml", f"values-{overlay}.yaml")]
    release = ["monitoring", *chart, f"--namespace={NAMESPACE}", *values]
    helm("upgrade", *release, "--install", "--skip-crds", "--rollback-on-failure", f"--timeout={TIMEOUT}")
    click.echo("  the release is ready")


def settle() -> None:
    """Take back what a run that was killed left pending: Helm refuses every upgrade of such a release."""
    pending = ["--filter=^monitoring$", "--pending", "--output=json"]
    releases = json.loads(helm("list", f"--namespace={NAMESPACE}", *pending))
    if not releases:
        return
    status = releases[0]["status"]
    click.echo(f"  an earlier run was killed and left the release {status}: it is taken back first")
    if status == "pending-install":
        helm("uninstall", "monitoring", f"--namespace={NAMESPACE}")
    else:
        helm("rollback", "monitoring", f"--namespace={NAMESPACE}")


def objects(secrets: Path) -> list[dict[str, Any]]:
    """The chart's Namespace, and the two Secrets that its pods read there."""
    data = {name: {key: read(secrets / file) for key, file in keys.items()} for name, keys in SECRETS.items()}
    data["taskpulse-grafana"]["admin-user"] = GRAFANA_USER
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    return [namespace] + [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "data": {key: base64.b64encode(value).decode() for key, value in values.items()},
        }
        for name, values in data.items()
    ]


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DeliveryError(
            f"{path} is not there: --secrets is the folder that `python -m delivery fetch-secrets` makes."
        ) from None


def apply(text: str) -> None:
    """Server-side; whoever made the objects before, these fields are ours."""
    options = ["--server-side", "--force-conflicts", f"--field-manager={FIELD_MANAGER}"]
    kubectl("apply", *options, "--filename=-", stdin=text)


def kubectl(*arguments: str, stdin: str) -> None:
    program = shutil.which("kubectl")
    if program is None:
        raise DeliveryError("kubectl is not here: install it, or put it on PATH.")
    result = subprocess.run([program, *arguments], input=stdin, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise DeliveryError(f"kubectl {arguments[0]} failed: {result.stderr.strip()}")


def helm(*arguments: str) -> str:
    result = run("helm", *arguments)
    if result.returncode != 0:
        raise DeliveryError(f"helm {arguments[0]} failed: {result.stderr.strip()}")
    return result.stdout

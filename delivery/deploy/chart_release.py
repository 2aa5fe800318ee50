"""The monitoring chart by Helm: its Secrets and CustomResourceDefinitions first, then the release."""

import json
import os
from pathlib import Path

import click
import yaml

from delivery import secrets
from delivery.checkout import ROOT, run
from delivery.errors import DeliveryError
from delivery.manifests import Object
from delivery.secrets import MONITORING
from delivery.tools import kubectl

FOLDER = ROOT / "monitoring" / "chart"
PIN = FOLDER / "pin.yaml"
RELEASE = "monitoring"
TIMEOUT = "10m"


def install(overlay: str, folder: Path) -> None:
    """Bring the pinned chart to the cluster of the current kubeconfig; killed anywhere, the same again converges.

    `folder` holds the secrets; DB_USER must be set, as for a deploy. Helm puts the last release back when the new one
    does not become ready within TIMEOUT.

    Raises:
        DeliveryError: a tool or a secret is missing, or the API server or Helm refuses; with what it said.
    """
    pin = yaml.safe_load(PIN.read_text())
    chart = [pin["chart"], f"--version={pin['version']}"]
    click.echo(f"Chart {pin['chart'].rsplit('/', 1)[-1]} {pin['version']} with the values of {overlay}")
    kubectl.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": MONITORING}}])
    kubectl.apply(read_by_chart(folder, overlay), force=True)  # Secret Manager is their source
    click.echo(f"  Namespace {MONITORING} and its Secrets are there")
    # `helm upgrade` leaves CustomResourceDefinitions as they are
    if definitions := helm("show", "crds", *chart).strip():
        kubectl.establish(definitions)
    click.echo("  CustomResourceDefinitions are those of the chart")
    settle()
    values = [f"--values={FOLDER / name}" for name in ("values.yaml", f"values-{overlay}.yaml")]
    options = ["--install", "--skip-crds", "--rollback-on-failure", f"--timeout={TIMEOUT}"]
    helm("upgrade", RELEASE, *chart, f"--namespace={MONITORING}", *values, *options)
    click.echo("  the release is ready")


def read_by_chart(folder: Path, overlay: str) -> list[Object]:
    """Those Secrets that the chart's own pods wait for; a deploy brings the same again, and the others."""
    return [each for each in secrets.load(folder, overlay, os.environ) if each["metadata"]["namespace"] == MONITORING]


def settle() -> None:
    """Take back what a run that was killed left pending: Helm refuses every upgrade of such a release."""
    pending = [f"--filter=^{RELEASE}$", "--pending", "--output=json"]
    releases = json.loads(helm("list", f"--namespace={MONITORING}", *pending))
    if not releases:
        return
    status = releases[0]["status"]
    click.echo(f"  an earlier run was killed and left the release {status}: it is taken back first")
    if status == "pending-install":
        helm("uninstall", RELEASE, f"--namespace={MONITORING}")
    else:
        helm("rollback", RELEASE, f"--namespace={MONITORING}")


def helm(*arguments: str) -> str:
    """Output of Helm, which must succeed."""
    result = run("helm", *arguments)
    if result.returncode != 0:
        raise DeliveryError(f"helm {arguments[0]} failed: {result.stderr.strip()}")
    return result.stdout

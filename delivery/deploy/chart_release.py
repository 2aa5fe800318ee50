"""The release of the monitoring chart: its Secrets and CustomResourceDefinitions first, then Helm."""

import json
import os
from pathlib import Path

from delivery import chart, secrets
from delivery.chart import NAMESPACE, RELEASE
from delivery.checkout import ROOT
from delivery.manifests import Object
from delivery.tools import helm, kubectl

TIMEOUT = "10m"


def install(overlay: str, folder: Path) -> None:
    """Bring the pinned chart to the cluster of the current kubeconfig; killed anywhere, the same again converges.

    `folder` holds the secrets; DB_USER must be set, as for a deploy. Helm puts the last release back when the new one
    does not become ready within TIMEOUT.

    Raises:
        DeliveryError: a tool or a secret is missing, or the API server or Helm refuses; with what it said.
    """
    pinned = chart.pin(ROOT)
    source = chart.source(pinned)
    say(f"Chart {pinned['chart'].rsplit('/', 1)[-1]} {pinned['version']} with the values of {overlay}")
    kubectl.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}])
    kubectl.apply(read_by_chart(folder, overlay), force=True)  # Secret Manager is their source
    say(f"  Namespace {NAMESPACE} and its Secrets are there")
    # `helm upgrade` leaves CustomResourceDefinitions as they are
    if definitions := helm.output("show", "crds", *source).strip():
        kubectl.establish(definitions)
    say("  CustomResourceDefinitions are those of the chart")
    settle()
    values = [f"--values={path}" for path in chart.values_files(overlay)]
    options = ["--install", "--skip-crds", "--rollback-on-failure", f"--timeout={TIMEOUT}"]
    helm.output("upgrade", RELEASE, *source, f"--namespace={NAMESPACE}", *values, *options)
    say("  the release is ready")


def read_by_chart(folder: Path, overlay: str) -> list[Object]:
    """Those Secrets that the chart's own pods wait for; a deploy brings the same again, and the others."""
    return [each for each in secrets.load(folder, overlay, os.environ) if each["metadata"]["namespace"] == NAMESPACE]


def settle() -> None:
    """Take back what a run that was killed left pending: Helm refuses every upgrade of such a release."""
    pending = [f"--filter=^{RELEASE}$", "--pending", "--output=json"]
    releases = json.loads(helm.output("list", f"--namespace={NAMESPACE}", *pending))
    if not releases:
        return
    status = releases[0]["status"]
    say(f"  an earlier run was killed and left the release {status}: it is taken back first")
    if status == "pending-install":
        helm.output("uninstall", RELEASE, f"--namespace={NAMESPACE}")
    else:
        helm.output("rollback", RELEASE, f"--namespace={NAMESPACE}")


def say(line: str) -> None:
    print(line, flush=True)

"""The release of the monitoring chart: its Secrets and CustomResourceDefinitions first, then Helm.

Helm keeps each revision of the release in a Secret. Two labels on it say which run of ours made it, and from what.
"""

import hashlib
import json
import os
import secrets as random
import time
from collections.abc import Callable
from pathlib import Path

from delivery import addresses, chart, manifests, secrets
from delivery.chart import NAMESPACE, RELEASE
from delivery.checkout import ROOT
from delivery.deploy.lock import Lock
from delivery.errors import DeliveryError
from delivery.manifests import Object
from delivery.tools import helm, kubectl

TIMEOUT = "10m"
LOCK_S = PENDING_S = 600
"""How long another run of ours may hold the lock, and how long a run of Helm that is not ours may last."""
POLL_S = 2
RUN, INPUTS = "taskpulse-run", "taskpulse-inputs"
Labels = dict[str, str]


def install(overlay: str, given: list[Object], say: Callable[[str], None]) -> None:
    """Bring the pinned chart to the cluster of the current kubeconfig; killed anywhere, the same again converges.

    `given` are its Secrets. Nothing is done where the last revision was made from the same chart and values. Helm puts
    the last release back when the new one does not become ready within TIMEOUT.

    Raises:
        DeliveryError: no digest is pinned, an address in the settings cannot be used, a tool is missing, others hold
            the lock or run Helm, or the API server or Helm refuses.
    """
    pinned = chart.pin(ROOT)
    chart.refuse_unpinned(pinned)
    for warning in addresses.check(ROOT, overlay):
        say(f"Warning: {warning}")
    inputs = fingerprint(pinned, overlay)
    say(f"chart {pinned['chart'].rsplit('/', 1)[-1]} {pinned['version']} with the values of {overlay}")
    own = list(manifests.load_all((ROOT / chart.FOLDER / "namespace.yaml").read_text("utf-8")))
    kubectl.apply([each for each in own if each["kind"] == "Namespace"])
    lock = Lock(NAMESPACE)  # the Namespace goes first, for it is where the lock lives
    lock.acquire(LOCK_S, say)
    try:
        kubectl.apply([*own, *given], force=True, check=lock.check)  # Secret Manager is the source of the Secrets
        say(f"Namespace {NAMESPACE}, its NetworkPolicies and its Secrets are there")
        last = settle(lock, say)
        if last.get("status") == "deployed" and last.get(INPUTS) == inputs:
            say("it is installed with the same values already")
            return
        upgrade(pinned, overlay, inputs, lock, say)
    finally:
        lock.release()


def upgrade(pinned: dict[str, str], overlay: str, inputs: str, lock: Lock, say: Callable[[str], None]) -> None:
    source = chart.source(pinned)
    # `helm upgrade` leaves CustomResourceDefinitions as they are
    if definitions := helm.output("show", "crds", *source).strip():
        lock.check()
        kubectl.establish(definitions)
    say("CustomResourceDefinitions are those of the chart")
    labels = f"--labels={RUN}={random.token_hex(8)},{INPUTS}={inputs}"
    flags = ["--install", "--skip-crds", "--rollback-on-failure", f"--timeout={TIMEOUT}", labels]
    lock.check()
    with chart.options(ROOT, overlay) as values:
        helm.output("upgrade", RELEASE, *source, f"--namespace={NAMESPACE}", *values, *flags)
    say("the release is ready")


def read_by_chart(folder: Path, overlay: str) -> list[Object]:
    """Those Secrets that the chart's own pods wait for; a deploy brings the same again, and the others.

    Raises:
        DeliveryError: a secret is missing or wrong, or DB_USER is not set.
    """
    return [each for each in secrets.load(folder, overlay, os.environ) if each["metadata"]["namespace"] == NAMESPACE]


def fingerprint(pinned: dict[str, str], overlay: str) -> str:
    """What tells one chart with its values from another, as a label holds it."""
    digest = hashlib.sha256(json.dumps(pinned, sort_keys=True).encode())
    folder = Path(pinned["chart"])
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    digest.update(json.dumps([*chart.load_values(ROOT, overlay).values()], sort_keys=True).encode())
    for path in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:40]


def revisions() -> list[Labels]:
    """The labels of each revision that Helm keeps of the release, oldest first."""
    each = '{range .items[*]}{.metadata.labels}{"\\n"}{end}'
    of_helm = (f"--namespace={NAMESPACE}", f"--selector=owner=helm,name={RELEASE}")
    text = kubectl.output("get", "secrets", *of_helm, f"--output=jsonpath={each}")
    return sorted(map(json.loads, text.splitlines()), key=lambda labels: int(labels["version"]))


def settle(lock: Lock, say: Callable[[str], None]) -> Labels:
    """Return the labels of the last revision, once no run of Helm is under way; none where it is not ours.

    A revision that a run of ours has begun is taken back: that run is dead, for this one holds the lock. Helm refuses
    every upgrade of such a release. A run of anybody else is waited for, and never taken back.

    Raises:
        DeliveryError: a run of somebody else does not end within PENDING_S.
    """
    end = time.monotonic() + PENDING_S
    is_waiting = False
    while True:
        known = revisions()
        last: Labels = known[-1] if known else {}
        status = last.get("status", "")
        # an upgrade or a rollback by others inherits the labels of a revision before it
        is_ours = RUN in last and last[RUN] not in [labels.get(RUN) for labels in known[:-1]]
        if not status.startswith("pending-"):
            return last if is_ours else {}
        if is_ours:
            take_back(status, lock, say)
        elif time.monotonic() > end:
            raise DeliveryError(
                f"Somebody else's Helm has left the release {RELEASE} {status} for {PENDING_S:.0f} s. If it still runs,"
                f" wait for it. If it is dead: `helm --namespace {NAMESPACE} rollback {RELEASE}`, then run this again."
            )
        elif not is_waiting:
            say(f"somebody else's Helm is at work, the release is {status}: waiting for it")
            is_waiting = True
        time.sleep(POLL_S)
        lock.check()


def take_back(status: str, lock: Lock, say: Callable[[str], None]) -> None:
    say(f"an earlier run was killed and left the release {status}: it is taken back first")
    lock.check()
    if status == "pending-install":
        helm.output("uninstall", RELEASE, f"--namespace={NAMESPACE}")
    else:
        helm.output("rollback", RELEASE, f"--namespace={NAMESPACE}")

"""What kwok is told so that its pods are worth deploying: the address of a real server, crashes, and logs."""

import shutil
import socket
from pathlib import Path
from typing import Any

import yaml

from tests.support.cluster.controlplane import STAGES

REPOSITORY = "registry.example/taskpulse-api@sha256:"
GOOD, CRASHES, CANNOT_BE_PULLED, MIGRATION_FAILS, NEVER_READY, UNHEALTHY = (REPOSITORY + 64 * each for each in "acbed0")
"""Images by what becomes of their pods; UNHEALTHY ones get ready, and then say that they are not."""

OWN = Path(__file__).parent / "stages"
STOPPED_BY = {
    "pod-init-container-running": [CANNOT_BE_PULLED],
    "pod-init-container-completed": [MIGRATION_FAILS],
    "pod-ready": [CRASHES, NEVER_READY],
}
LOG = "could not start\nDB_HOST does not answer\n"


def host_address() -> str:
    """An address of this machine that is not loopback, which the API server's proxy refuses. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        address: str = probe.getsockname()[0]
        return address


def write_stages(folder: Path) -> None:
    """Write kwok's stages to `folder`, without their delays and with pods at this machine's address, and our own."""
    address = host_address()
    for path in STAGES.glob("*.yaml"):
        stage: dict[str, Any] = yaml.safe_load(path.read_text())
        if path.stem.startswith("pod-"):
            stage["spec"].pop("delay", None)
        if path.stem == "pod-create":
            lines = stage["spec"]["next"]["statusTemplate"].splitlines()
            lines = [f"podIP: {address}" if line.startswith("podIP: ") else line for line in lines]
            stage["spec"]["next"]["statusTemplate"] = "\n".join(lines)
        if path.stem in STOPPED_BY:
            condition = {"key": ".spec.containers.[].image", "operator": "NotIn", "values": STOPPED_BY[path.stem]}
            stage["spec"]["selector"]["matchExpressions"].append(condition)
        (folder / path.name).write_text(yaml.safe_dump(stage))
    for path in OWN.glob("*.yaml"):
        shutil.copy(path, folder)
    write_logs(folder)


def write_logs(folder: Path) -> None:
    """Every container has logged LOG."""
    path = folder / "container.log"
    lines = [f"2026-01-01T00:00:00.000000000Z stderr F {line}\n" for line in LOG.splitlines()]
    path.write_text("".join(lines))
    logs = {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "ClusterLogs",
        "metadata": {"name": "logs"},
        "spec": {"logs": [{"logsFile": str(path), "previousLogsFile": str(path)}]},
    }
    (folder / "logs.yaml").write_text(yaml.safe_dump(logs))

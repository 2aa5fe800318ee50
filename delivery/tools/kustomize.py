import subprocess
from pathlib import Path

from delivery.tools import program

# Every way of kustomize to other machines: its own requests go to a port where nobody listens, git has no transport.
OFFLINE = {
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": "",
    "GIT_ALLOW_PROTOCOL": "",
}


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    """Render the kustomization in `folder` from files alone, whatever the exit status."""
    return program.run("kustomize", "build", folder, env=OFFLINE)

import subprocess
from pathlib import Path

from delivery.checkout import ROOT
from delivery.errors import DeliveryError
from delivery.tools import program


def is_here() -> bool:
    try:
        program.find("helm")
    except DeliveryError:
        return False
    return True


def run(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run Helm in `folder`, whatever its exit status."""
    return program.run("helm", *arguments, cwd=folder)


def output(*arguments: str) -> str:
    """Output of Helm, which must succeed.

    Raises:
        DeliveryError: it does not; with what it said.
    """
    result = run(*arguments)
    if result.returncode != 0:
        raise DeliveryError(f"helm {arguments[0]} failed: {result.stderr.strip()}")
    return result.stdout

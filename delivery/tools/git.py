import subprocess
from collections.abc import Mapping
from pathlib import Path

from delivery.tools import program


def git(
    root: Path, *arguments: str, env: Mapping[str, str] | None = None, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run git on the repository at `root`, whatever its exit status; `env` is added to the environment.

    Raises:
        DeliveryError: there is no git.
    """
    return program.run("git", "-C", root, *arguments, env=env, stdin=stdin)

"""Installs the service of a commit, or of the working tree, as the image does: from its own locks, as a wheel."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from bench.servers import ROOT

BIN = Path(sys.executable).parent


class CheckoutError(Exception):
    """A side of the comparison cannot be installed; the message says why."""


def describe(ref: str) -> str:
    """Return a commit's short hash and subject.

    Raises CheckoutError where `ref` names no commit.
    """
    return run("git", "log", "-1", "--format=%h %s", ref, "--").strip()


def extract(ref: str, folder: Path) -> None:
    """Write the files of a commit into a folder that is made for it.

    Raises CheckoutError.
    """
    folder.mkdir()
    archive = folder.with_suffix(".tar")
    run("git", "archive", f"--output={archive}", ref)
    run("tar", "--extract", f"--file={archive}", f"--directory={folder}")
    archive.unlink()


def install(tree: Path, folder: Path) -> Path:
    """Install the service of a checkout into a virtual environment of its own and return its command `taskpulse`.

    Raises CheckoutError.
    """
    uv, python = str(BIN / "uv"), str(folder / "bin" / "python")
    run(uv, "venv", "--quiet", "--python", sys.executable, str(folder))
    into = [uv, "pip", "install", "--quiet", "--python", python, "--compile-bytecode", "--no-deps"]
    run(*into, "--require-hashes", "-r", str(tree / "requirements/run.txt"), "-r", str(tree / "requirements/build.txt"))
    # uv would take the wheel of an earlier run: it looks for changes in pyproject.toml alone
    run(*into, "--no-build-isolation", "--refresh-package", "taskpulse", str(tree))
    return folder / "bin" / "taskpulse"


def run(*command: str, variables: Mapping[str, str] | None = None) -> str:
    """Run a command in this checkout, with this environment where there is one, and return what it printed.

    Raises CheckoutError with what it said on standard error.
    """
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CheckoutError(f"{' '.join(command[:2])} failed: {done.stderr.strip()}")
    return done.stdout

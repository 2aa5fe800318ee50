"""The guides in docs/guides/: every block of code runs against the real service and prints what the guide says."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from tests.support.service import Service, empty

FOLDER = Path(__file__).parents[2] / "docs/guides"
GUIDES = sorted(path.name for path in FOLDER.glob("*.md") if path.name != "README.md")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"(?:#|//) (\S+)\n")
"""The first line of a program: under which name to save it."""
ADDRESS = "http://127.0.0.1:8000"
TIMEOUT_S = 120
NEEDS_NODE = "first-worker-javascript.md"


class Block(NamedTuple):
    """A fenced block of a guide."""

    language: str
    text: str


def blocks(name: str) -> list[Block]:
    """Return the fenced blocks of a guide."""
    return [Block(*found) for found in FENCE.findall((FOLDER / name).read_text("utf-8"))]


def run(name: str, service: Service, folder: Path) -> list[str]:
    """Run the shell blocks of a guide in one shell, beside its programs; return what each shell block printed."""
    (folder / ".data").mkdir()
    (folder / ".data/key").write_text(service.key)
    script = ["set -euo pipefail"]
    for block in blocks(name):
        if block.language in ("python", "javascript"):
            file = FILE.match(block.text)
            assert file, f"{name}: a program begins with a comment that names its file"
            (folder / file[1]).write_text(block.text, "utf-8")
        elif block.language == "bash":
            script.append(block.text.replace(ADDRESS, service.url) + "\nprintf '\\f'")
    variables = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    process = subprocess.Popen(
        ["bash", "-c", "\n".join(script)],
        cwd=folder,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=TIMEOUT_S)
    finally:
        kill_all(process)
    assert process.returncode == 0, said
    return said.split("\f")


def kill_all(process: subprocess.Popen[str]) -> None:
    """End what a script left in the background."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def check(name: str, service: Service, folder: Path) -> None:
    """Run a guide, and assert that each shell block printed the lines that the guide shows after it."""
    printed = iter(run(name, service, folder))
    output = ""
    for block in blocks(name):
        if block.language == "bash":
            output = next(printed)
        elif block.language == "text":
            lines = output.splitlines()
            assert [line for line in block.text.splitlines() if line not in lines] == [], output


@pytest.fixture(autouse=True)
def _no_tasks(database: psycopg.Connection) -> Iterator[None]:
    empty(database)
    yield
    empty(database)


@pytest.mark.parametrize("name", [name for name in GUIDES if name != NEEDS_NODE])
def test_a_guide_works(name: str, service: Service, tmp_path: Path) -> None:
    check(name, service, tmp_path)


@pytest.mark.slow
@pytest.mark.clients
@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_the_guide_in_javascript_works(service: Service, tmp_path: Path) -> None:
    check(NEEDS_NODE, service, tmp_path)


def test_there_is_no_other_code() -> None:
    """Every fenced block has a language whose blocks run or are compared."""
    languages = {block.language for name in GUIDES for block in blocks(name)}
    assert languages == {"bash", "python", "javascript", "text"}
    assert len(GUIDES) >= 7


def test_links_lead_somewhere() -> None:
    for path in FOLDER.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)", path.read_text("utf-8")):
            assert (FOLDER / target).exists(), f"{path.name}: {target}"


def test_the_list_of_guides_is_complete() -> None:
    listed = (FOLDER / "README.md").read_text("utf-8")
    assert [name for name in GUIDES if f"({name})" not in listed] == []

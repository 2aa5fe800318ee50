"""A client in Python and one in TypeScript: generated, type-checked strictly, and used by a program.

`make client-check` runs this, with openapi-python-client and @hey-api/openapi-ts; the one option is that imports in
TypeScript name the file with its ending, as Node needs it.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from tests.support.service import Service

pytestmark = [pytest.mark.slow, pytest.mark.clients]

HERE = Path(__file__).parent
TOOLS = HERE.parents[1] / ".tools/clients"


def run(*command: str | Path, cwd: Path, variables: Mapping[str, str] | None = None) -> str:
    """Run a command, and return what it said; fail with that if it fails."""
    path = os.pathsep.join([str(TOOLS / "venv/bin"), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, **(variables or {})}
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, f"{command[0]}: {done.stdout}"
    return done.stdout


@pytest.fixture
def document(service: Service, tmp_path: Path) -> Path:
    """The OpenAPI document as a file."""
    file = tmp_path / "openapi.json"
    file.write_bytes(httpx.get(f"{service.url}/openapi.json").raise_for_status().content)
    return file


def test_a_python_program(service: Service, document: Path, tmp_path: Path) -> None:
    program = HERE / "python/program.py"
    folder = tmp_path / "client"
    said = run(
        "openapi-python-client",
        "generate",
        "--path",
        document,
        "--output-path",
        folder,
        "--fail-on-warning",
        cwd=tmp_path,
    )
    assert "WARNING" not in said
    run(sys.executable, "-m", "mypy", "--strict", "task_pulse_client", program, cwd=folder)
    run(TOOLS / "venv/bin/python", program, service.url, service.key, cwd=folder, variables={"PYTHONPATH": str(folder)})


def test_a_typescript_program(service: Service, document: Path, tmp_path: Path) -> None:
    folder = tmp_path / "client"
    shutil.copytree(HERE / "typescript", folder)
    (folder / "node_modules").symlink_to(TOOLS / "node_modules")
    run("node_modules/.bin/openapi-ts", cwd=folder, variables={"DOCUMENT": str(document)})
    run("node_modules/.bin/tsc", cwd=folder)
    run("node", "program.ts", service.url, service.key, cwd=folder)


def test_the_lock_file_names_no_registry() -> None:
    packages = json.loads((HERE / "typescript/package-lock.json").read_text("utf-8"))["packages"]
    assert len(packages) > 10
    assert all("resolved" not in package for package in packages.values())
    assert all("integrity" in package for name, package in packages.items() if name)

"""The contracts of imports in pyproject.toml: each is kept here, and complains where it is broken."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")

BROKEN = [
    ("app/tasks/model.py", "import app.http.auth", "a package imports only what stands below it"),
    ("app/postgres/pool.py", "import app.tasks.store", "a package imports only what stands below it"),
    ("app/client/api.py", "import app.settings", "a package imports only what stands below it"),
    ("app/new_package.py", "", "a package imports only what stands below it"),
    ("app/leases/store.py", "import litestar", "the domain knows no HTTP library"),
    ("app/client/work.py", "import psycopg", "the client commands need nothing of the server"),
    ("delivery/review/run.py", "import delivery.deploy.release", "a layer imports only from those below it"),
    ("delivery/deploy/plan.py", "import delivery.review.model", "a layer imports only from those below it"),
    ("delivery/tools/kubectl.py", "import delivery.policy", "a layer imports only from those below it"),
    ("delivery/new_module.py", "", "a layer imports only from those below it"),
    ("delivery/render.py", "import click", "click is for the command line alone"),
]


@pytest.fixture
def checkout(root: Path, tmp_path: Path) -> Path:
    """A copy of what the contracts are about."""
    shutil.copy(root / "pyproject.toml", tmp_path)
    packages = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]
    for package in packages:
        shutil.copytree(root / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts as `make check` does."""
    return subprocess.run([LINT_IMPORTS, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False)


def test_all_contracts_are_kept(checkout: Path) -> None:
    linted = lint_imports(checkout)
    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert "0 broken" in linted.stdout


@pytest.mark.parametrize(("file", "line", "contract"), BROKEN)
def test_a_broken_contract_is_reported(checkout: Path, file: str, line: str, contract: str) -> None:
    with (checkout / file).open("a") as module:
        module.write(f"\n{line}\n")
    linted = lint_imports(checkout)
    assert linted.returncode == 1, linted.stdout + linted.stderr
    assert contract in linted.stdout
    assert file.removesuffix(".py").replace("/", ".") in linted.stdout


def test_make_check_runs_them(root: Path) -> None:
    (check,) = (rule for rule in (root / "Makefile").read_text().split("\n\n") if rule.startswith("check:"))
    assert "lint-imports" in check

"""Each package that a file imports is declared: one that only another package brings may leave with it."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from delivery.checkout import ROOT
from tests.repository.sources import sources

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUN = PROJECT["dependencies"]
DEV = RUN + PROJECT["optional-dependencies"]["dev"]
BENCH = DEV + (ROOT / "bench/requirements.in").read_text().splitlines()
DECLARED = {"app": RUN, "bench": BENCH, "delivery": DEV, "monitoring": DEV, "tests": DEV}
GENERATED = {"task_pulse_client"}
"""Packages that a test makes; see tests/clients."""
OURS = {path.stem for path in sources(".py")} | {*DECLARED} | GENERATED


def packages(requirements: Iterable[str]) -> set[str]:
    return {re.split(r"[^\w.-]", each)[0].lower().replace("_", "-") for each in requirements}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module)


@pytest.mark.parametrize("folder", DECLARED)
def test_imported_packages_are_declared(folder: str) -> None:
    names = {name.partition(".")[0] for path in sources(".py", folder=folder) for name in imported(path)}
    assert names
    installed, declared = packages_distributions(), packages(DECLARED[folder])
    foreign = {name: packages(installed.get(name, [name])) for name in names - sys.stdlib_module_names - OURS}
    undeclared = {name: brought for name, brought in foreign.items() if not brought & declared}
    assert undeclared == {}, "declare them in pyproject.toml (bench/requirements.in for bench), then run `make lock`"

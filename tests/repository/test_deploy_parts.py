"""What deploy.yml divides: `make test` into parts, and the deploy from the machine that builds its tools."""

import re
import shlex
import shutil
import subprocess
from collections import Counter
from pathlib import Path

from delivery.checkout import ROOT
from tests.repository.deploy_workflow import rows

TESTS = sorted(path.relative_to(ROOT) for path in (ROOT / "tests").rglob("test_*.py"))


def planned(*words: str, checkout: Path = ROOT) -> list[str]:
    """The commands that make would run, but for those that call make itself."""
    command = ["make", "--dry-run", *words]
    lines = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in lines if not line.startswith("make ")]


def test_parts_run_what_make_test_runs() -> None:
    parts = [planned(row["goal"]) for row in rows("test")]
    assert {line for part in parts for line in part} == set(planned("test"))


def selected(arguments: str) -> set[Path]:
    """The files of tests that pytest takes for these arguments: folders or files, or all but those of --ignore."""
    words = shlex.split(arguments)
    ignored = [word.removeprefix("--ignore=") for word in words if word.startswith("--ignore=")]
    folders = [word for word in words if not word.startswith("-")]
    assert len(ignored) + len(folders) == len(words), f"{arguments}: teach this function what that selects"
    assert all((ROOT / name).exists() for name in ignored + folders), arguments
    return {
        path
        for path in TESTS
        if any(path.is_relative_to(name) for name in folders or ["tests"])
        and not any(path.is_relative_to(name) for name in ignored)
    }


def test_each_test_is_in_one_part() -> None:
    parts = [selected(row["arguments"]) for row in rows("test") if row["goal"] == "test-quick"]
    assert all(parts)
    counted = Counter(path for part in parts for path in part)
    assert {path: counted[path] for path in TESTS if counted[path] != 1} == {}, "in no part, or in several"


def test_unpacking_the_tools_builds_nothing(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "delivery/schemas.py"):  # what make needs of a fresh checkout
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("requirements", "tools"):
        shutil.copytree(ROOT / name, tmp_path / name)
    builds = re.compile(r"\bgo build|\bgo mod|delivery\.schemas|requirements/go\.txt")
    ways = {
        goal: [line for line in planned(goal, checkout=tmp_path) if builds.search(line)]
        for goal in ("tools", "unpack-deploy-tools")
    }
    assert ways["tools"]
    assert ways["unpack-deploy-tools"] == []

"""The version stands in pyproject.toml; everything else that shows one has it from there, or agrees with it."""

import re
import tomllib
from pathlib import Path

import httpx
from click.testing import CliRunner

from app.cli.main import main

HEADING = re.compile(r"^## \[?(\d+\.\d+\.\d+)\]?(?: - (.+))?$", re.MULTILINE)


def version(root: Path) -> str:
    """Return the version in pyproject.toml."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    return str(project["version"])


def test_the_newest_version_of_the_changelog(root: Path) -> None:
    found = HEADING.findall((root / "CHANGELOG.md").read_text("utf-8"))
    assert found[0][0] == version(root)
    for _, date in found[1:]:
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", date), "only the newest version may be unreleased"


def test_what_the_service_shows(root: Path, anonymous: httpx.Client) -> None:
    assert anonymous.get("/").json()["version"] == version(root)
    assert anonymous.get("/openapi.json").json()["info"]["version"] == version(root)


def test_what_the_command_shows(root: Path) -> None:
    shown = CliRunner().invoke(main, ["--version"], prog_name="taskpulse")
    assert shown.output == f"taskpulse, version {version(root)}\n"

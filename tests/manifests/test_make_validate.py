"""`make validate` says what is wrong, and nothing in praise of what is right."""

import re
import shutil
import subprocess
from pathlib import Path

from delivery.checkout import ROOT


def make_validate(folder: Path) -> subprocess.CompletedProcess[str]:
    command = ["make", "validate", "--old-file=.tools/.ready"]  # as built, whatever is newer
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_it_prints_its_own_result_alone() -> None:
    result = make_validate(ROOT)
    assert (result.returncode, result.stderr) == (0, "")
    [line] = result.stdout.splitlines()
    assert line.endswith(" checks passed.")


def test_what_zizmor_finds_is_printed(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", ".yamllint", ".gitignore"):
        shutil.copy2(ROOT / name, tmp_path)
    for name in (".github", "base", "overlays", "delivery", "requirements", "tools"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in (".venv", ".tools"):
        (tmp_path / name).symlink_to(ROOT / name)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)  # actionlint looks for it
    workflow = tmp_path / ".github" / "workflows" / "review.yml"
    workflow.write_text(re.sub(r"checkout@\w+ # \S+", "checkout@main", workflow.read_text()))
    result = make_validate(tmp_path)
    assert result.returncode == 2
    assert "unpinned-uses" in result.stderr

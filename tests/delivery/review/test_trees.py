"""A commit laid out beside another: whatever changed between the two, its files are those of the commit."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from delivery.review.trees import differing, lay_out
from tests.delivery.review.repository import Repository

BEFORE = {"a/b": "1", "a/c": "2", "d": "3", "e/f/g": "4", "h": "5", "overlays/dev/kustomization.yaml": "{}"}


def contents(folder: Path) -> dict[str, str]:
    paths = [path for path in folder.rglob("*") if path.is_symlink() or path.is_file()]
    return {
        os.fsencode(path.relative_to(folder)).decode("latin-1"): (
            f"to {path.readlink()}" if path.is_symlink() else f"{path.stat().st_mode & 0o100:o} {path.read_text()}"
        )
        for path in paths
    }


def nothing(_folder: Path) -> None: ...


def a_file_for_a_folder(folder: Path) -> None:
    (folder / "a" / "b").unlink()
    (folder / "a" / "c").unlink()
    (folder / "a").rmdir()
    (folder / "a").write_text("6")


def a_folder_for_a_file(folder: Path) -> None:
    (folder / "d").unlink()
    (folder / "d").mkdir()
    (folder / "d" / "i").write_text("7")


def a_link_for_a_file(folder: Path) -> None:
    (folder / "h").unlink()
    (folder / "h").symlink_to("d")
    (folder / "j").symlink_to("e")


def a_name_that_is_no_text(folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).write_text("8")


def other_attributes(folder: Path) -> None:
    (folder / ".gitattributes").write_text("h ident\n")
    (folder / "d").write_text("9")


def removed_changed_and_executable(folder: Path) -> None:
    (folder / "e" / "f" / "g").unlink()
    (folder / "a" / "b").write_text("10")
    (folder / "a" / "c").chmod(0o755)


@pytest.mark.parametrize(
    "change",
    [
        nothing,
        a_file_for_a_folder,
        a_folder_for_a_file,
        a_link_for_a_file,
        a_name_that_is_no_text,
        other_attributes,
        removed_changed_and_executable,
    ],
)
def test_a_tree_beside_another_has_the_files_of_its_commit(change: Callable[[Path], None], tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "repository")
    old = repository.commit(BEFORE | {"h": "$Id$"})
    change(repository.folder)
    repository.git("add", "--all")
    repository.git("commit", "-q", "--allow-empty", "-m", "A change")
    new = repository.git("rev-parse", "HEAD")
    changed = differing(repository.folder, old, new)
    before = lay_out(repository.folder, old, tmp_path / "old")
    kept = contents(before.folder)
    after = lay_out(repository.folder, new, tmp_path / "new", before, changed)
    alone = lay_out(repository.folder, new, tmp_path / "alone")
    assert contents(after.folder) == contents(alone.folder)
    assert contents(before.folder) == kept, "the other tree stays as it is"


def test_what_does_not_change_is_written_once(tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "repository")
    old, new = repository.commit(BEFORE), repository.commit(BEFORE | {"d": "6"})
    before = lay_out(repository.folder, old, tmp_path / "old")
    after = lay_out(repository.folder, new, tmp_path / "new", before, differing(repository.folder, old, new))
    same = {name for name in BEFORE if (before.folder / name).samefile(after.folder / name)}
    assert same == BEFORE.keys() - {"d"}

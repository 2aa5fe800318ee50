"""The command as a workflow runs it: what it writes, what it refuses, how it ends."""

import filecmp
import hashlib
from pathlib import Path

import pytest
from click.testing import CliRunner

from delivery import cli
from delivery.errors import DeliveryError
from tests.delivery.review.repository import Repository
from tests.delivery.review.test_cases import load


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / "repository")


def commit(repository: Repository, case: str) -> tuple[str, str]:
    base, head, *_ = load(case)
    return repository.commit(base), repository.commit(head)


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_it_works(repository: Repository, tmp_path: Path) -> None:
    commit(repository, "service-type")
    repository.review(tmp_path / "out")
    assert sorted(digests(tmp_path / "out")) == [
        "base/dev.yaml", "comment.md", "head/dev.yaml", "review.html", "summary.md",
    ]  # fmt: skip
    assert "type: ClusterIP" in (tmp_path / "out" / "base" / "dev.yaml").read_text()
    assert "type: LoadBalancer" in (tmp_path / "out" / "head" / "dev.yaml").read_text()


def test_the_same_input_gives_the_same_bytes(repository: Repository, tmp_path: Path) -> None:
    for case in ("foreign-names", "render-fails-at-head", "secret-value"):
        commit(repository, case)
        for out in ("one", "other"):
            repository.review(tmp_path / case / out)
        assert digests(tmp_path / case / "one") == digests(tmp_path / case / "other")


def test_the_base_is_where_the_branch_left_it(repository: Repository, tmp_path: Path) -> None:
    """What was merged meanwhile is not the pull request's doing."""
    fork, _ = commit(repository, "service-type")
    repository.git("checkout", "-q", "-b", "topic", fork)
    repository.git("commit", "-q", "--allow-empty", "-m", "Nothing to do with it")
    result = repository.review(tmp_path / "out", base="main", head="topic")
    assert result.merge_base == fork
    assert not result.changed


@pytest.mark.parametrize(("side", "exit_code"), [("head", 1), ("base", 0)])
def test_a_render_that_fails_is_said_and_at_head_the_command_fails(
    *, side: str, exit_code: int, repository: Repository, tmp_path: Path
) -> None:
    base, head = commit(repository, f"render-fails-at-{side}")
    arguments = ["review", "--base", base, "--head", head, "--out", str(tmp_path / "out")]
    arguments += ["--root", str(repository.folder)]
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == exit_code, "a change may mend what does not render"
    assert "missing.yaml" in result.stderr
    assert str(tmp_path) not in result.stderr.replace(str(tmp_path / "out"), "")
    assert "does not render" in (tmp_path / "out" / "comment.md").read_text()


def test_it_succeeds_where_something_changes(repository: Repository, tmp_path: Path) -> None:
    base, head = commit(repository, "deleted")
    arguments = ["review", "--base", base, "--head", head, "--out", str(tmp_path / "out")]
    arguments += ["--root", str(repository.folder)]
    assert CliRunner().invoke(cli.main, arguments).exit_code == 0


@pytest.mark.parametrize(("base", "head"), [("nowhere", "HEAD"), ("HEAD", "nowhere"), ("--help", "HEAD")])
def test_a_ref_that_is_none_is_said(base: str, head: str, repository: Repository, tmp_path: Path) -> None:
    commit(repository, "deleted")
    with pytest.raises(DeliveryError, match=r"^--(base|head) '(nowhere|--help)' names no commit here: fetch it"):
        repository.review(tmp_path / "out", base, head)


def test_commits_without_a_common_one_are_said(repository: Repository, tmp_path: Path) -> None:
    commit(repository, "deleted")
    repository.git("checkout", "-q", "--orphan", "other")
    repository.git("commit", "-q", "-m", "Another beginning")
    with pytest.raises(DeliveryError, match="no commit in common here: fetch the whole history"):
        repository.review(tmp_path / "out", "main", "other")


def test_the_checkout_is_left_alone(repository: Repository, tmp_path: Path) -> None:
    commit(repository, "deleted")
    before = filecmp.dircmp(repository.folder, repository.folder).left_list
    repository.review(tmp_path / "out")
    assert repository.git("status", "--porcelain") == ""
    assert filecmp.dircmp(repository.folder, repository.folder).left_list == before
    assert repository.git("worktree", "list").count("\n") == 0

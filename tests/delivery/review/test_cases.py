"""Small pairs of trees in cases/, each with the comment that it must give.

`python -m tests.delivery.review.test_cases` writes the comments anew, to be read before they are committed.
"""

import sys
import tempfile
from pathlib import Path

import pytest

from delivery.review import chart
from delivery.review.model import Review
from tests.delivery.review.repository import Repository

CASES = Path(__file__).parent / "cases"


def reviewed(case: str, folder: Path) -> tuple[Review, str]:
    """The review of a case, and its comment with words in place of the commits."""
    repository = Repository.create(folder / "repository")
    base, head = (repository.commit(CASES / case / side) for side in ("base", "head"))
    result = repository.review(folder / "out")
    comment = (folder / "out" / "comment.md").read_text("utf-8")
    return result, comment.replace(base[:10], "BASE").replace(head[:10], "HEAD")


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_the_comment_of(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("delivery.review.chart.has_helm", lambda: False)  # some machines have it
    _, comment = reviewed(case, tmp_path)
    assert comment == (CASES / case / "comment.md").read_text("utf-8")


if __name__ == "__main__":
    chart.has_helm = lambda: False
    for path in sorted(CASES.iterdir()):
        if sys.argv[1:] in ([], [path.name]):
            with tempfile.TemporaryDirectory() as temporary:
                (path / "comment.md").write_text(reviewed(path.name, Path(temporary))[1], "utf-8")

"""Small pairs of trees, a file in cases/ for each, with the comment that a review of them gives.

`base` and `head` hold files by their path; `head` only those that differ from the base, null for one that is deleted.
A case may have the `text` of its pull request, which ana wrote, who has write access.

`python -m tests.delivery.review.test_cases` rewrites the comments; read them before you commit them.
"""

import sys
import tempfile
import textwrap
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from delivery.review import chart
from delivery.review.acceptances import Text
from tests.delivery.review.repository import Repository

CASES = Path(__file__).parent / "cases"
COMMENT = "\ncomment: |\n"


class Case(NamedTuple):
    base: dict[str, str]
    head: dict[str, str]
    text: Text | None
    comment: str


def load(name: str) -> Case:
    """Read a case, with all files of its head."""
    case = yaml.safe_load((CASES / f"{name}.yaml").read_text("utf-8"))
    head = {path: text for path, text in (case["base"] | case["head"]).items() if text is not None}
    text = Text(case["text"], ("ana",)) if "text" in case else None
    return Case(case["base"], head, text, case["comment"])


def comment(case: Case, folder: Path) -> str:
    """The comment that the review of a case gives, with words in place of the commits."""
    repository = Repository.create(folder / "repository")
    before, after = repository.commit(case.base), repository.commit(case.head)
    repository.review(folder / "out", text=case.text)
    text = (folder / "out" / "comment.md").read_text("utf-8")
    return text.replace(before[:10], "BASE").replace(after[:10], "HEAD")


@pytest.mark.parametrize("name", sorted(path.stem for path in CASES.iterdir()))
def test_the_comment_of(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("delivery.review.chart.has_helm", lambda: False)  # some machines have it
    case = load(name)
    assert comment(case, tmp_path) == case.comment


if __name__ == "__main__":
    chart.has_helm = lambda: False
    for path in sorted(CASES.iterdir()):
        if sys.argv[1:] in ([], [path.stem]):
            with tempfile.TemporaryDirectory() as folder:
                text = comment(load(path.stem), Path(folder))
            trees = path.read_text("utf-8").partition(COMMENT)[0]
            path.write_text(trees + COMMENT + textwrap.indent(text, "  "), "utf-8")

"""Small pairs of trees, a file in cases/ for each, with the comment that a review of them gives.

`base` and `head` hold files by their path; `head` only those that differ from the base, null for one that is deleted.
`python -m tests.delivery.review.test_cases` rewrites the comments; read them before you commit them.
"""

import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery.review import chart
from tests.delivery.review.repository import Repository, files

CASES = Path(__file__).parent / "cases"
COMMENT = "\ncomment: |\n"


def comment(case: Any, folder: Path) -> str:
    """The comment that the review of a case gives, with words in place of the commits."""
    head = {path: text for path, text in (case["base"] | case["head"]).items() if text is not None}
    repository = Repository.create(folder / "repository")
    before = repository.commit(files(folder / "base", case["base"]))
    after = repository.commit(files(folder / "head", head))
    repository.review(folder / "out")
    text = (folder / "out" / "comment.md").read_text("utf-8")
    return text.replace(before[:10], "BASE").replace(after[:10], "HEAD")


@pytest.mark.parametrize("name", sorted(path.stem for path in CASES.iterdir()))
def test_the_comment_of(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("delivery.review.chart.has_helm", lambda: False)  # some machines have it
    case = yaml.safe_load((CASES / f"{name}.yaml").read_text("utf-8"))
    assert comment(case, tmp_path) == case["comment"]


if __name__ == "__main__":
    chart.has_helm = lambda: False
    for path in sorted(CASES.iterdir()):
        if sys.argv[1:] in ([], [path.stem]):
            text = path.read_text("utf-8")
            with tempfile.TemporaryDirectory() as folder:
                written = comment(yaml.safe_load(text), Path(folder))
            path.write_text(text.partition(COMMENT)[0] + COMMENT + textwrap.indent(written, "  "), "utf-8")

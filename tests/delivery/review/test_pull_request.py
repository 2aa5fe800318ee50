"""`delivery comment`, against a server that answers as GitHub does."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from delivery.cli import main
from delivery.review.acceptances import digest
from delivery.review.comment import MARKER
from delivery.review.pull_request import AUTHOR, LIMIT
from tests.delivery.review.github import TOKEN, Answer, GitHub

COMMIT = "c" * 40


@pytest.fixture
def github() -> Iterator[GitHub]:
    with GitHub(COMMIT) as running:
        yield running


class Comment:
    """Runs the command on one file."""

    def __init__(self, path: Path, api: str) -> None:
        self.path = path
        self.env = {"GITHUB_API_URL": api, "GITHUB_REPOSITORY": "team/taskpulse", "GITHUB_TOKEN": TOKEN}

    def __call__(self, text: str, *more: str) -> Result:
        self.path.write_text(f"{MARKER}\n{text}\n")
        arguments = ["comment", "--file", str(self.path), "--pull-request", "7", "--commit", COMMIT, *more]
        return CliRunner().invoke(main, arguments, env=self.env)


@pytest.fixture
def comment(github: GitHub, tmp_path: Path) -> Comment:
    return Comment(tmp_path / "comment.md", github.url)


def test_it_works(github: GitHub, comment: Comment) -> None:
    result = comment("One change.", "--page", "https://github.com/team/taskpulse/actions/runs/1/artifacts/2")
    assert (result.exit_code, result.output) == (0, "Commented.\n")
    assert [each["body"] for each in github.comments] == [
        f"{MARKER}\nOne change.\n\n"
        "[Look at the whole review](https://github.com/team/taskpulse/actions/runs/1/artifacts/2)\n"
    ]


def test_the_link_comes_first(github: GitHub, comment: Comment) -> None:
    comment("## What would change\n\nOne change.\n\nMuch more.", "--page", "https://example.com/page")
    assert [each["body"] for each in github.comments] == [
        f"{MARKER}\n## What would change\n\n[Look at the whole review](https://example.com/page)\n\nOne change.\n\n"
        "Much more.\n"
    ]


def test_second_run_edits(github: GitHub, comment: Comment) -> None:
    comment("One change.")
    result = comment("Nothing changes.")
    assert (result.exit_code, result.output) == (0, "Edited the comment.\n")
    assert [each["body"] for each in github.comments] == [f"{MARKER}\nNothing changes.\n"]


def test_own_comment_is_found_on_a_later_page(github: GitHub, comment: Comment) -> None:
    for number in range(95):
        github.add("somebody", f"Remark {number}")
    own = github.add(AUTHOR, f"{MARKER}\nold\n")
    result = comment("new")
    assert result.output == "Edited the comment.\n"
    assert len(github.comments) == 96
    assert github.comments[-1] == {"id": own, "user": {"login": AUTHOR}, "body": f"{MARKER}\nnew\n"}
    assert sum(asked.startswith("GET /repos/team/taskpulse/issues/7/comments") for asked in github.asked) == 4


@pytest.mark.parametrize(
    ("login", "body"),
    [
        ("somebody", f"{MARKER}\nforged\n"),
        (None, f"{MARKER}\nby an account that is gone\n"),
        (AUTHOR, "of another workflow"),
        (AUTHOR, f"quotes {MARKER}"),
        (AUTHOR, None),
    ],
)
def test_comments_of_others_are_left_alone(
    github: GitHub, comment: Comment, login: str | None, body: str | None
) -> None:
    github.add(login, body)
    assert comment("ours").output == "Commented.\n"
    assert [each["body"] for each in github.comments] == [body, f"{MARKER}\nours\n"]


def test_review_of_an_older_commit_does_not_replace_a_newer_one(github: GitHub, comment: Comment) -> None:
    github.head = "d" * 40
    github.add(AUTHOR, f"{MARKER}\nof the newer commit\n")
    result = comment("of the older commit")
    assert result.exit_code == 0
    assert result.output == f"Not commented: the pull request is at {'d' * 40} by now, and the review is of {COMMIT}.\n"
    assert github.comments[0]["body"] == f"{MARKER}\nof the newer commit\n"


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ("delivery: accepted Service/a exposure, because a", "Commented."),
        ("Another reason.\r\n\r\ndelivery: accepted Service/a exposure, because a\r\n", "Commented."),
        ("delivery: accepted Service/a exposure, because b", "Not commented: the lines"),
        (None, "Not commented: the lines"),
    ],
)
def test_review_of_other_lines_does_not_replace_a_newer_one(
    github: GitHub, comment: Comment, now: str | None, said: str
) -> None:
    github.body = now
    lines = digest("delivery: accepted Service/a exposure, because a")
    result = comment(f"<!-- lines {lines} -->\n## What would change\n\nOne change.")
    assert result.exit_code == 0
    assert result.output.startswith(said)
    assert len(github.comments) == (1 if said == "Commented." else 0)


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_read_only_token_is_no_failure(github: GitHub, comment: Comment, method: str) -> None:
    if method == "PATCH":
        github.add(AUTHOR, f"{MARKER}\nold\n")
    forbidden: Answer = 403, {"message": "Resource not accessible by integration"}, {}
    github.refusal = lambda asked: forbidden if asked == method else None
    result = comment("new")
    assert result.exit_code == 0
    assert (
        "may not write here (Resource not accessible by integration). The job summary says the same." in result.output
    )
    assert [each["body"] for each in github.comments if each["body"] == f"{MARKER}\nnew\n"] == []


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((403, {"message": "API rate limit exceeded"}, {"x-ratelimit-remaining": "0"}), "GitHub answers 403"),
        ((403, {"message": "Slow down"}, {"Retry-After": "60"}), "Slow down. Run this again later."),
        ((404, {"message": "Not Found"}, {}), "GitHub finds no pull request 7 in team/taskpulse"),
        ((503, ["no"], {}), "GitHub answers 503"),
        ((502, {"message": "Server Error"}, {}), "GitHub answers 502"),
    ],
)
def test_refusal_is_a_sentence(github: GitHub, comment: Comment, answer: Answer, sentence: str) -> None:
    github.refusal = lambda _: answer
    result = comment("text")
    assert result.exit_code == 1
    assert sentence in result.output


def test_bad_token(comment: Comment) -> None:
    comment.env["GITHUB_TOKEN"] = "old"
    result = comment("text")
    assert result.exit_code == 1
    assert "GitHub does not accept GITHUB_TOKEN: Bad credentials." in result.output


def test_no_token(github: GitHub, comment: Comment) -> None:
    comment.env["GITHUB_TOKEN"] = ""
    result = comment("text")
    assert result.exit_code == 1
    assert "GITHUB_TOKEN is not set" in result.output
    assert github.asked == []


def test_nobody_answers(tmp_path: Path) -> None:
    with GitHub(COMMIT) as gone:
        pass
    result = Comment(tmp_path / "comment.md", gone.url)("text")
    assert result.exit_code == 1
    assert f"No answer from {gone.url}: " in result.output


def test_text_that_the_next_run_would_not_find(github: GitHub, comment: Comment) -> None:
    comment.path.write_text("No marker.")
    arguments = ["comment", "--file", str(comment.path), "--pull-request", "7", "--commit", COMMIT]
    result = CliRunner().invoke(main, arguments, env=comment.env)
    assert result.exit_code == 1
    assert "does not start with <!--" in result.output
    assert github.asked == []


def test_longest_text_that_github_takes(github: GitHub, comment: Comment) -> None:
    room = LIMIT - len(MARKER) - 2
    assert "Commented." in comment("x" * room).output
    assert len(github.comments[0]["body"]) == LIMIT
    result = comment("x" * (room + 1))
    assert result.exit_code == 1
    assert "shorten it" in result.output


@pytest.mark.slow
def test_as_the_workflow_calls_it(github: GitHub, comment: Comment, root: Path) -> None:
    comment.path.write_text(f"{MARKER}\nOne change.\n")
    page = "https://github.com/team/taskpulse/actions/runs/1/artifacts/2"
    values = {**os.environ, **comment.env, "PULL_REQUEST": "7", "HEAD": COMMIT, "PAGE": page}
    command = ["make", "review-comment", f"OUT={comment.path.parent}"]
    result = subprocess.run(command, cwd=root, env=values, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "Commented.\n"), result.stderr
    assert page in github.comments[0]["body"]

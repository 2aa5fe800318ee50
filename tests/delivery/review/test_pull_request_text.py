"""Whose text accepts warnings: `delivery review --pull-request`, against a server that answers as GitHub does."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from delivery.cli import main
from delivery.review import pull_request_text
from delivery.review.acceptances import Text, digest
from delivery.review.github import Repository, connect
from tests.delivery.review.github import PAGE, TOKEN, Answer, GitHub, user
from tests.delivery.review.repository import Repository as Checkout

BODY = "Why.\r\n\r\ndelivery: accepted Service/web exposure, because it moves\r\n"


@pytest.fixture
def github() -> Iterator[GitHub]:
    with GitHub("c" * 40) as running:
        running.body = BODY
        yield running


def text(github: GitHub) -> Text:
    with connect(github.url, TOKEN) as client:
        return pull_request_text.read(Repository(client, "team/taskpulse"), 7)


@pytest.mark.parametrize("permission", ["write", "admin"])
def test_its_author(github: GitHub, permission: str) -> None:
    github.permissions["ana"] = permission
    assert text(github) == Text(BODY, ("ana",))


def test_whoever_edited_it(github: GitHub) -> None:
    github.permissions["ben"] = "admin"
    github.edits = [user("ben"), user("ana"), user("ben")]
    assert text(github) == Text(BODY, ("ana", "ben"))


def test_an_edit_on_a_later_page(github: GitHub) -> None:
    github.edits = [*([user("ana")] * PAGE), user("eve")]
    assert text(github).refusal == "eve, who has no write access here, wrote in it."
    assert github.asked.count("POST /graphql") == 2


@pytest.mark.parametrize("permission", ["read", "none", "", "triage"])
def test_an_author_without_write_access(github: GitHub, permission: str) -> None:
    github.permissions = {"ana": permission, "ben": "write"}
    github.edits = [user("ben")]
    assert text(github) == Text(BODY, refusal="ana, who has no write access here, wrote in it.")


@pytest.mark.parametrize("sort", ["Bot", "Mannequin", "Organization"])
def test_an_app_with_write_access(github: GitHub, sort: str) -> None:
    github.permissions["renovate"] = "write"
    github.edits = [user("renovate", sort)]
    assert text(github) == Text(BODY, refusal="renovate, which is no person, wrote in it.")
    github.edits, github.author = None, user("renovate", sort)
    assert text(github) == Text(BODY, refusal="renovate, which is no person, wrote in it.")


def test_accounts_that_are_gone(github: GitHub) -> None:
    github.edits = [user("ana"), None]
    assert text(github).refusal == "the account of somebody who wrote in it is gone."
    github.edits, github.author = None, None
    assert text(github).refusal == "the account of somebody who wrote in it is gone."


def test_a_fork(github: GitHub) -> None:
    github.is_from_fork = True
    assert text(github) == Text(BODY, refusal="the pull request comes from a fork.")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((403, {"message": "Resource not accessible by integration"}, {}), "The token may not read who wrote it: "),
        ((502, {"message": "Server Error"}, {}), "GitHub answers 502"),
        ((200, {"data": None, "errors": [{"message": "no"}]}, {}), "GitHub does not answer the query"),
        (
            (200, {"data": {"repository": {"pullRequest": None}}}, {}),
            "GitHub finds no pull request 7 in team/taskpulse.",
        ),
        ((200, {"data": {"repository": {"pullRequest": {"body": ""}}}}, {}), "GitHub's answer is not shaped as"),
        ((200, ["odd"], {}), "GitHub does not answer the query"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_what_cannot_be_read_accepts_nothing(github: GitHub, answer: Answer, sentence: str, method: str) -> None:
    if method == "GET" and answer[0] == 200:
        answer, sentence = (200, [], {}), "GitHub's answer is not shaped as"
    github.refusal = lambda asked: answer if asked == method else None
    found = text(github)
    assert found.error.startswith(sentence)
    assert (found.body, found.by) == ("", ())


SERVICE = (
    "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {type: %s, ports: [{port: 80}], selector: {a: b}}\n"
)


class Reviewed:
    """Runs the command on a Service that is exposed."""

    def __init__(self, folder: Path, api: str) -> None:
        self.folder = folder
        self.env = {"GITHUB_API_URL": api, "GITHUB_REPOSITORY": "team/taskpulse", "GITHUB_TOKEN": TOKEN}
        checkout = Checkout.create(folder / "repository")
        for kind in ("ClusterIP", "LoadBalancer"):
            checkout.commit({"kustomization.yaml": "resources: [web.yaml]\n", "web.yaml": SERVICE % kind})

    def __call__(self, *more: str) -> Result:
        arguments = ["review", "--base", "HEAD^", "--head", "HEAD", "--root", str(self.folder / "repository"), *more]
        return CliRunner().invoke(main, [*arguments, "--out", str(self.folder / "out")], env=self.env)

    def said(self, name: str = "comment.md") -> str:
        return (self.folder / "out" / name).read_text("utf-8")


@pytest.fixture
def reviewed(github: GitHub, tmp_path: Path) -> Reviewed:
    return Reviewed(tmp_path, github.url)


def test_the_command(github: GitHub, reviewed: Reviewed) -> None:
    result = reviewed("--pull-request", "7")
    assert result.exit_code == 0, result.output
    for name in ("comment.md", "summary.md"):
        assert "**Accepted** by <code>ana</code>: it moves" in reviewed.said(name)
        assert "**1 warning.** 1 of them is accepted." in reviewed.said(name)
        assert f"<!-- lines {digest(BODY)} -->" in reviewed.said(name)
    assert "Accepted by <b>ana</b>: it moves" in reviewed.said("review.html")


def test_the_number_as_the_workflow_gives_it(reviewed: Reviewed) -> None:
    reviewed.env["PULL_REQUEST"] = "7"
    assert reviewed().exit_code == 0
    assert "**Accepted** by <code>ana</code>" in reviewed.said()


def test_no_number_asks_nobody(github: GitHub, reviewed: Reviewed) -> None:
    reviewed.env["PULL_REQUEST"] = ""
    assert reviewed().exit_code == 0
    assert "ccept" not in reviewed.said()
    assert github.asked == []


@pytest.mark.parametrize("missing", ["GITHUB_TOKEN", "GITHUB_REPOSITORY"])
def test_the_review_goes_on_without_the_text(reviewed: Reviewed, missing: str) -> None:
    reviewed.env[missing] = ""
    assert reviewed("--pull-request", "7").exit_code == 0
    assert f"The text of the pull request was not read: {missing} is not set." in reviewed.said().replace("&#95;", "_")
    assert "**1 warning.**" in reviewed.said()

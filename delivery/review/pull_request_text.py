"""The text of a pull request, and whether everybody who wrote it may write to the repository.

A text has one author, and everybody with write access can edit it. Which of them wrote which line is not recorded in a
way that GitHub documents; who edited it is. So the text counts where all of them have write access, and no app is one.
"""

from typing import Any
from urllib.parse import quote

from delivery.errors import DeliveryError
from delivery.review.acceptances import Text
from delivery.review.github import NotFoundError, ReadOnlyError, Repository

# https://docs.github.com/en/graphql/reference/objects#usercontentedit
QUERY = """
query($owner: String!, $name: String!, $number: Int!, $after: String) {
  repository(owner: $owner, name: $name) {
    pullRequest(number: $number) {
      body
      isCrossRepository
      author { __typename login }
      userContentEdits(first: 100, after: $after) {
        nodes { editor { __typename login } }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
}
"""
WRITING = {"admin", "write"}
"""Permissions that may write; GitHub gives `write` for the role maintain and `read` for triage."""


def read(repository: Repository, number: int) -> Text:
    """The text as it is now; where GitHub refuses or does not answer, the reason: a review goes on without it."""
    try:
        return judged(repository, *history(repository, number))
    except ReadOnlyError as error:
        return Text(error=f"The token may not read who wrote it: {error}.")
    except DeliveryError as error:
        return Text(error=error.message)
    except (AttributeError, KeyError, TypeError, ValueError):
        return Text(error="GitHub's answer is not shaped as its documents say.")


def judged(repository: Repository, found: Any, editors: list[Any]) -> Text:
    """The text of a pull request, and whether those who wrote it may write to the repository."""
    body = str(found["body"] or "")
    if found["isCrossRepository"]:
        return Text(body, refusal="the pull request comes from a fork.")
    writers: dict[str, str] = {}  # what they are, by login
    for each in [found["author"], *editors]:
        if not each:
            return Text(body, refusal="the account of somebody who wrote in it is gone.")
        writers.setdefault(each["login"], each["__typename"])
    for login, sort in writers.items():
        if sort != "User":
            return Text(body, refusal=f"{login}, which is no person, wrote in it.")
        if not may_write(repository, login):
            return Text(body, refusal=f"{login}, who has no write access here, wrote in it.")
    return Text(body, tuple(writers))


def history(repository: Repository, number: int) -> tuple[Any, list[Any]]:
    """The pull request, and who edited its text, once for each edit."""
    editors: list[Any] = []
    after = None
    while True:
        data = repository.query(QUERY, number=number, after=after)
        found = (data or {}).get("pullRequest")
        if not found:
            raise DeliveryError(f"GitHub finds no pull request {number} in {repository.name}.")
        edits = found["userContentEdits"]
        if edits is None:  # never edited
            return found, editors
        editors += [each and each["editor"] for each in edits["nodes"]]
        if not edits["pageInfo"]["hasNextPage"]:
            return found, editors
        after = edits["pageInfo"]["endCursor"]


def may_write(repository: Repository, login: str) -> bool:
    """Whether somebody has write access now. Source: "Get repository permissions for a user" in GitHub's REST API."""
    try:
        answer = repository.ask("GET", f"collaborators/{quote(login, safe='')}/permission")
    except NotFoundError:
        return False
    return answer.json().get("permission") in WRITING

"""One comment on a pull request, edited in place.

The REST API it speaks to: https://docs.github.com/en/rest/issues/comments
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from delivery.errors import DeliveryError
from delivery.review.acceptances import digest
from delivery.review.comment import MARKER, READ
from delivery.review.github import NotFoundError, ReadOnlyError, Repository

AUTHOR = "github-actions[bot]"
"""Whom comments made with a workflow's own token belong to. The marker alone, anybody can type."""
LIMIT = 65_536
"""Characters in a comment; GitHub refuses more."""


@dataclass(frozen=True)
class PullRequest:
    repository: Repository
    number: int

    def comment(self, text: str, commit: str, page: str) -> str:
        """Write `text`, which speaks of `commit`, into the one comment, a link to `page` on top; say what was done.

        Raises:
            DeliveryError: GitHub refuses or does not answer, or the text is too long.
        """
        if not text.startswith(MARKER):
            raise DeliveryError(
                f"The comment does not start with {MARKER}, by which the next run finds it: add that line."
            )
        title, _, rest = text.rstrip().partition("\n\n")
        link = f"\n\n[Look at the whole review]({page})" if page else ""
        body = f"{title}{link}\n\n{rest}\n" if rest else f"{title}{link}\n"
        if len(body) > LIMIT:
            raise DeliveryError(f"The comment has {len(body)} characters, and GitHub takes {LIMIT}: shorten it.")
        try:
            now = self.repository.ask("GET", f"pulls/{self.number}").json()
            if (head := now["head"]["sha"]) != commit:  # the run for the new head comments, and may already have
                return f"Not commented: the pull request is at {head} by now, and the review is of {commit}."
            if (read := READ.match(text)) and read[1] != digest(now["body"] or ""):  # so does the run for the edit
                return "Not commented: the lines of the pull request's text that accept warnings were edited since."
            if (own := next(self._own(), None)) is None:
                self.repository.ask("POST", f"issues/{self.number}/comments", {"body": body})
                return "Commented."
            self.repository.ask("PATCH", f"issues/comments/{own['id']}", {"body": body})
        except NotFoundError:
            raise DeliveryError(
                f"GitHub finds no pull request {self.number} in {self.repository.name}, or the token may not see it."
            ) from None
        except ReadOnlyError as error:
            return f"Not commented: the token may not write here ({error}). The job summary says the same."
        return "Edited the comment."

    def _own(self) -> Iterator[dict[str, Any]]:
        """Earlier comments of ours, oldest first."""
        url = f"issues/{self.number}/comments?per_page=100"
        while url:
            response = self.repository.ask("GET", url)
            for each in response.json():
                if (each["user"] or {}).get("login") == AUTHOR and (each["body"] or "").startswith(MARKER):
                    yield each
            url = response.links.get("next", {}).get("url", "")

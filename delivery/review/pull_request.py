"""One comment on a pull request, edited in place.

The REST API it speaks to: https://docs.github.com/en/rest/issues/comments
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from delivery.errors import DeliveryError
from delivery.review.comment import MARKER

AUTHOR = "github-actions[bot]"
"""Whom comments made with a workflow's own token belong to. The marker alone, anybody can type."""
LIMIT = 65_536
"""Characters in a comment; GitHub refuses more."""


class ReadOnlyError(Exception):
    """The token may not write: that of a fork's pull request, or of Dependabot's."""


@dataclass(frozen=True)
class PullRequest:
    """A pull request, by way of a client whose base URL is GitHub's API and which is authorised."""

    client: httpx.Client
    repository: str  # OWNER/NAME
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
            head = self._ask("GET", f"pulls/{self.number}").json()["head"]["sha"]
            if head != commit:  # the run for the new head comments, and may already have
                return f"Not commented: the pull request is at {head} by now, and the review is of {commit}."
            if (own := next(self._own(), None)) is None:
                self._ask("POST", f"issues/{self.number}/comments", {"body": body})
                return "Commented."
            self._ask("PATCH", f"issues/comments/{own['id']}", {"body": body})
        except ReadOnlyError as error:
            return f"Not commented: the token may not write here ({error}). The job summary says the same."
        return "Edited the comment."

    def _own(self) -> Iterator[dict[str, Any]]:
        """Earlier comments of ours, oldest first."""
        url = f"issues/{self.number}/comments?per_page=100"
        while url:
            response = self._ask("GET", url)
            for each in response.json():
                if (each["user"] or {}).get("login") == AUTHOR and (each["body"] or "").startswith(MARKER):
                    yield each
            url = response.links.get("next", {}).get("url", "")

    def _ask(self, method: str, path: str, content: dict[str, str] | None = None) -> httpx.Response:
        url = path if path.startswith("http") else f"repos/{self.repository}/{path}"
        try:
            response = self.client.request(method, url, json=content)
        except httpx.HTTPError as error:
            raise DeliveryError(f"No answer from {self.client.base_url}: {error or type(error).__name__}.") from None
        if response.is_success:
            return response
        reason = said(response)
        limited = "retry-after" in response.headers or response.headers.get("x-ratelimit-remaining") == "0"
        if response.status_code == httpx.codes.FORBIDDEN and not limited:
            raise ReadOnlyError(reason)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise DeliveryError(f"GitHub does not accept GITHUB_TOKEN: {reason}. Give one that has not expired.")
        if response.status_code == httpx.codes.NOT_FOUND:
            raise DeliveryError(
                f"GitHub finds no pull request {self.number} in {self.repository}, or the token may not see it."
            )
        raise DeliveryError(f"GitHub answers {response.status_code} to {method} {url}: {reason}. Run this again later.")


def said(response: httpx.Response) -> str:
    """The sentence in an error of GitHub's."""
    try:
        return str(response.json()["message"]).rstrip(".")
    except (ValueError, KeyError, TypeError):
        return response.reason_phrase or "no reason given"


def connect(api: str, token: str) -> httpx.Client:
    return httpx.Client(
        base_url=api,
        timeout=20,
        transport=httpx.HTTPTransport(retries=3),
        headers={
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token}",
            "User-Agent": "taskpulse-delivery",
            "X-GitHub-Api-Version": "2022-11-28",
        },
    )

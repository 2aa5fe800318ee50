"""GitHub's API, as far as a review asks it: one repository, with refusals as sentences."""

from dataclasses import dataclass
from typing import Any

import httpx

from delivery.errors import DeliveryError


class ReadOnlyError(Exception):
    """The token may not do this: that of a fork's pull request, or of Dependabot's."""


class NotFoundError(DeliveryError):
    """There is no such thing, or the token may not see it."""


@dataclass(frozen=True)
class Repository:
    """A repository, by way of a client whose base URL is GitHub's REST API and which is authorised."""

    client: httpx.Client
    name: str  # OWNER/NAME

    def ask(self, method: str, path: str, content: dict[str, Any] | None = None) -> httpx.Response:
        """Answer of the REST API; `path` is below the repository, or a whole URL.

        Raises:
            DeliveryError: GitHub refuses or does not answer.
            ReadOnlyError: the token may not do it.
        """
        return self._send(method, path if path.startswith("http") else f"repos/{self.name}/{path}", content)

    def query(self, text: str, **variables: Any) -> Any:
        """What a GraphQL query gives for this repository, whose owner and name it has as variables.

        Raises:
            DeliveryError: GitHub refuses or does not answer.
            ReadOnlyError: the token may not do it.
        """
        owner, _, name = self.name.partition("/")
        # https://docs.github.com/en/graphql/guides/forming-calls-with-graphql, and of GitHub Enterprise Server
        url = f"{str(self.client.base_url).rstrip('/').removesuffix('/v3')}/graphql"
        variables |= {"owner": owner, "name": name}
        answer = self._send("POST", url, {"query": text, "variables": variables}).json()
        if not isinstance(answer, dict) or answer.get("errors") or not isinstance(answer.get("data"), dict):
            raise DeliveryError("GitHub does not answer the query, or only in part.")
        return answer["data"]["repository"]

    def _send(self, method: str, url: str, content: dict[str, Any] | None) -> httpx.Response:
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
            raise NotFoundError(f"GitHub finds no {url}, or the token may not see it.")
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

"""GitHub's API, as far as a review needs it, on a port of this machine."""

import json
import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self

TOKEN = "token"
PAGE = 30
"""Comments on a page, whatever was asked for: GitHub too may give fewer."""
Answer = tuple[int, Any, dict[str, str]]


def user(login: str, sort: str = "User") -> dict[str, str]:
    return {"__typename": sort, "login": login}


class GitHub:
    """One repository, `team/taskpulse`, with pull request 7."""

    def __init__(self, head: str) -> None:
        self.head = head
        self.comments: list[dict[str, Any]] = []
        self.body: str | None = None
        self.author: dict[str, str] | None = user("ana")
        self.edits: list[dict[str, str] | None] | None = None  # who made each; None where there is none yet
        self.is_from_fork = False
        self.permissions = {"ana": "write"}
        self.asked: list[str] = []
        self.refusal: Callable[[str], Answer | None] = lambda method: None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def add(self, login: str | None, body: str | None) -> int:
        user = None if login is None else {"login": login}  # null where the account was deleted
        self.comments.append({"id": 100 + len(self.comments), "user": user, "body": body})
        return int(self.comments[-1]["id"])

    def answer(self, method: str, path: str, content: dict[str, Any]) -> Answer:
        path, _, query = path.partition("?")
        if method == "GET" and path == "/repos/team/taskpulse/pulls/7":
            return 200, {"head": {"sha": self.head}, "body": self.body}, {}
        if path == "/repos/team/taskpulse/issues/7/comments":
            if method == "POST":
                self.add("github-actions[bot]", content["body"])
                return 201, self.comments[-1], {}
            number = int((re.findall(r"\bpage=(\d+)", query) or ["1"])[0])
            end = number * PAGE
            more = f'<{self.url}{path}?per_page={PAGE}&page={number + 1}>; rel="next"'
            return 200, self.comments[end - PAGE : end], {"Link": more} if len(self.comments) > end else {}
        for comment in self.comments:
            if method == "PATCH" and path == f"/repos/team/taskpulse/issues/comments/{comment['id']}":
                comment["body"] = content["body"]
                return 200, comment, {}
        if method == "POST" and path == "/graphql":
            return 200, self.graphql(content["variables"]), {}
        return self.permission(path)

    def permission(self, path: str) -> Answer:
        asked = re.fullmatch(r"/repos/team/taskpulse/collaborators/([^/]+)/permission", path)
        found = self.permissions.get(asked[1]) if asked else None
        return (200, {"permission": found}, {}) if found else (404, {"message": "Not Found"}, {})

    def graphql(self, variables: dict[str, Any]) -> dict[str, Any]:
        """The answer to the one query that a review asks, by its variables."""
        if [variables[key] for key in ("owner", "name", "number")] != ["team", "taskpulse", 7]:
            return {"data": {"repository": {"pullRequest": None}}, "errors": [{"type": "NOT_FOUND"}]}
        edits = None
        if self.edits is not None:
            start = int(variables["after"] or 0)
            page = self.edits[start : start + PAGE]
            more = {"hasNextPage": start + PAGE < len(self.edits), "endCursor": str(start + PAGE)}
            edits = {"nodes": [{"editor": each} for each in page], "pageInfo": more}
        found = {
            "body": self.body or "",
            "isCrossRepository": self.is_from_fork,
            "author": self.author,
            "userContentEdits": edits,
        }
        return {"data": {"repository": {"pullRequest": found}}}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        github = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                github.asked.append(f"{self.command} {self.path}")
                content = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
                if self.headers.get("Authorization") == f"Bearer {TOKEN}":
                    refused = github.refusal(self.command)
                    status, body, headers = refused or github.answer(self.command, self.path, content)
                else:
                    status, body, headers = 401, {"message": "Bad credentials"}, {}
                encoded = json.dumps(body).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(encoded))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(encoded)

            do_GET = do_POST = do_PATCH = handle_any  # noqa: N815 - the names that http.server asks for

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler

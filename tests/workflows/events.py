"""What happens on GitHub in a test: a push, a call by hand, a pull request."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = "team/taskpulse"
FILES = ("Makefile", "Dockerfile", "tests/e2e/crashing/Dockerfile", "tools/go.mod")
"""What steps look for in a checkout."""
COMMITS = {"older": "first", "newer": "second", "merged": "second"}
"""What the commits hold that the tests know."""


@dataclass(frozen=True)
class Event:
    """An event as GitHub gives it to a workflow."""

    name: str
    ref: str
    commit: str
    payload: Mapping[str, Any]


class Origin:
    """A repository with three commits, the oldest first; the last one has the same tree as the one before it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._git("init", "--quiet")
        self._git("config", "uploadpack.allowAnySHA1InWant", "true")
        for name in FILES:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("")
        self.commits = {name: self._commit(name, text) for name, text in COMMITS.items()}

    def _commit(self, name: str, text: str) -> str:
        (self.folder / "Makefile").write_text(f"# {text}\n")
        self._git("add", ".")
        self._git("commit", "--quiet", "--allow-empty", "--message", name)
        return self._git("rev-parse", "HEAD").strip()

    def tree(self, name: str) -> str:
        """The hash of what a commit holds."""
        return self._git("rev-parse", f"{self.commits[name]}^{{tree}}").strip()

    def _git(self, *words: str) -> str:
        who = {
            f"GIT_{role}_{what}": "tests@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        when = {f"GIT_{role}_DATE": "2026-01-01T00:00:00Z" for role in ("AUTHOR", "COMMITTER")}
        environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, **who, **when}
        command = ["git", *words]
        result = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=True)
        return result.stdout

    def event(self, given: Mapping[str, Any]) -> Event:
        """The event that a case gives.

        Args:
            given: one of `schedule`, the default branch; `push`, a branch, with `commit`, a name of COMMITS;
                `dispatch`, a ref, with `inputs`; `pull_request`, `own` or `fork`, with `action` and, of an edit, `body`
                and `changes`.
        """
        if "push" in given:
            commit = self.commits[given.get("commit", "newer")]
            ref = f"refs/heads/{given['push']}"
            return Event("push", ref, commit, {"ref": ref, "after": commit, "deleted": False})
        if "schedule" in given:
            ref = f"refs/heads/{given['schedule']}"
            return Event("schedule", ref, self.commits["newer"], {"repository": {"default_branch": given["schedule"]}})
        if "dispatch" in given:
            payload = {"ref": given["dispatch"], "inputs": given.get("inputs", {})}
            return Event("workflow_dispatch", given["dispatch"], self.commits["newer"], payload)
        return self._pull_request(given)

    def _pull_request(self, given: Mapping[str, Any]) -> Event:
        repositories = {"own": REPOSITORY, "fork": "someone/taskpulse", "deleted": None}
        name = repositories[given["pull_request"]]
        pull_request = {
            "number": 7,
            "state": given.get("state", "open"),
            "body": given.get("body", ""),
            "base": {"ref": "main", "sha": self.commits["older"], "repo": {"full_name": REPOSITORY}},
            "head": {"ref": "change", "sha": self.commits["newer"], "repo": name and {"full_name": name}},
        }
        payload = {
            "action": given.get("action", "synchronize"),
            "number": 7,
            "changes": given.get("changes", {}),
            "pull_request": pull_request,
        }
        return Event("pull_request", "refs/pull/7/merge", self.commits["newer"], payload)

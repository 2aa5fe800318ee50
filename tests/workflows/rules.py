"""What GitHub decides before a job starts, which act does not: what starts a workflow, and which rights a job gets.

Sources: docs.github.com, "Events that trigger workflows", "Workflow syntax" (`permissions`), "Reusing workflows".
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

Rights = Mapping[str, str]
LEVELS = ("none", "read", "write")
SCOPES = ("actions", "checks", "contents", "deployments", "id-token", "issues", "packages", "pull-requests", "statuses")
EVERY = dict.fromkeys(SCOPES, "write")
PULL_REQUEST = ("opened", "synchronize", "reopened")
"""The activities that start a workflow whose `pull_request` names none."""


class RefusedError(Exception):
    """GitHub does not start such a workflow."""


def starts(workflow: Mapping[Any, Any], event: str, payload: Mapping[str, Any]) -> bool:
    """Whether an event starts the workflow: by its name, its activity and its branch."""
    asked = workflow[True]  # YAML 1.1 takes `on` for a boolean
    if not isinstance(asked, dict):
        asked = dict.fromkeys([asked] if isinstance(asked, str) else asked)
    if event not in asked:
        return False
    if event == "schedule":
        return bool(asked[event])
    how = asked[event] or {}
    unknown = set(how) - {"branches", "types", "inputs"}
    assert unknown == set(), f"teach tests/workflows/rules.py what {unknown} means"
    if event == "pull_request" and payload["action"] not in how.get("types", PULL_REQUEST):
        return False
    if event == "push":
        branch = payload["ref"].removeprefix("refs/heads/")
        return any(fnmatchcase(branch, pattern) for pattern in how.get("branches", ["*"]))
    return True


def asked(workflow: Mapping[Any, Any], job: Mapping[str, Any], most: Rights) -> Rights:
    """The rights that a job asks for, by scope.

    Args:
        most: what the caller of a called workflow asks for.

    Raises:
        RefusedError: a called workflow asks for more than its caller.
    """
    given = job.get("permissions", workflow.get("permissions", "write-all"))
    if isinstance(given, str):
        given = dict.fromkeys(SCOPES, given.removesuffix("-all"))
    above = {scope: level for scope, level in given.items() if higher(level, most.get(scope, "none"))}
    if above:
        raise RefusedError(f"a called workflow asks for {above}, and its caller for {dict(most)}")
    return dict(given)


def granted(rights: Rights, event: str, payload: Mapping[str, Any]) -> Rights:
    """What the token may do of what was asked: for a pull request from a fork, only read."""
    if event != "pull_request" or payload["pull_request"]["head"]["repo"] == payload["pull_request"]["base"]["repo"]:
        return rights
    return {scope: "none" if scope == "id-token" or level == "none" else "read" for scope, level in rights.items()}


def higher(level: str, other: str) -> bool:
    return LEVELS.index(level) > LEVELS.index(other)


def result(jobs: Mapping[str, str]) -> str:
    """The result of a called workflow with these jobs.

    GitHub documents none for one whose jobs partly succeed and partly are skipped, and people report both `success` and
    `skipped` (orgs/community#189172). So this is `skipped`, and what depends on it has to work all the same.
    """
    for worst in ("failure", "cancelled", "skipped"):
        if worst in jobs.values():
            return worst
    return "success"

"""What GitHub is told: workflows, who owns what, and what is kept up to date."""

import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import click
import pytest
import yaml

from delivery.checkout import ROOT
from delivery.cli import main

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
PINNED = re.compile(r"^[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
READ = {"contents": "read"}


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


@pytest.fixture
def workflow(path: Path) -> dict[Any, Any]:
    return dict(yaml.safe_load(path.read_text()))


def steps(workflow: dict[Any, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job.get("steps", [])


def test_actions_are_pinned(path: Path) -> None:
    used = [line.partition("uses: ")[2] for line in path.read_text().splitlines() if "uses: " in line]
    loose = [each for each in used if not each.startswith("./") and not PINNED.match(each)]
    assert loose == [], f"pin by commit, with `# vX.Y.Z` behind it: {loose}"


def test_nothing_foreign_runs_with_rights(workflow: dict[Any, Any]) -> None:
    events = workflow[True]  # YAML 1.1 takes `on` for a boolean
    unsafe = {"pull_request_target", "workflow_run", "issue_comment"} & set(
        [events] if isinstance(events, str) else events
    )
    assert unsafe == set(), f"{unsafe} runs with the rights of this repository on what others wrote"


def test_rights_are_granted_to_jobs(workflow: dict[Any, Any]) -> None:
    assert workflow.get("permissions") in ({}, READ), "on top only {} or contents: read; the rest job by job"


def test_each_grant_has_its_reason(path: Path) -> None:
    grants = re.findall(r"^ +[a-z-]+: (?:read|write)\b.*$", path.read_text(), re.MULTILINE)
    assert grants
    bare = [each.strip() for each in grants if "#" not in each]
    assert bare == [], f"say what for, in a comment on the line: {bare}"


def test_checkouts_keep_no_credentials(workflow: dict[Any, Any]) -> None:
    keeping = [
        step
        for step in steps(workflow)
        if step.get("uses", "").startswith("actions/checkout@")
        and step.get("with", {}).get("persist-credentials") is not False
    ]
    assert keeping == [], "a checkout needs `persist-credentials: false`"


def test_shell_lines_have_no_expressions(workflow: dict[Any, Any]) -> None:
    filled = [step["run"] for step in steps(workflow) if "${{" in step.get("run", "")]
    assert filled == [], "give values by `env`: text from a pull request would be run"


def test_each_job_ends(workflow: dict[Any, Any]) -> None:
    endless = [name for name, job in workflow["jobs"].items() if "timeout-minutes" not in job and "uses" not in job]
    assert endless == [], "a job without timeout-minutes may hang for six hours"


def load(name: str) -> dict[Any, Any]:
    """One workflow."""
    return dict(yaml.safe_load((GITHUB / "workflows" / f"{name}.yml").read_text()))


def test_success_gathers_every_job() -> None:
    jobs = load("review")["jobs"]
    assert set(jobs["success"]["needs"]) == set(jobs) - {"success"}
    assert jobs["success"]["if"] == "always()", "a required check that is skipped counts as passed"


@pytest.mark.skipif(shutil.which("jq") is None, reason="GitHub's runners have jq, and this machine has not")
def test_success_forgives_nothing() -> None:
    success = load("review")["jobs"]["success"]
    passed = dict.fromkeys(success["needs"], "success")
    assert succeeds(success, passed)
    spoiled = [(name, result) for name in passed for result in ("failure", "cancelled", "skipped")]
    forgiven = [each for each in spoiled if succeeds(success, passed | dict([each]))]
    assert forgiven == [], "a job whose needs failed is skipped"


def succeeds(job: dict[str, Any], results: dict[str, str]) -> bool:
    """Whether the one step of `job` ends well after jobs with these results."""
    (step,) = job["steps"]
    needs = json.dumps({name: {"outputs": {}, "result": result} for name, result in results.items()})
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    return subprocess.run(shell, env=os.environ | {"NEEDS": needs}, capture_output=True, check=False).returncode == 0


def test_the_required_check_waits_for_the_real_cluster() -> None:
    assert load("review")["jobs"]["e2e"]["uses"] == "./.github/workflows/e2e.yml"
    called = load("e2e")
    assert list(called[True]) == ["workflow_call"], "by itself it would run twice"
    assert "concurrency" not in called, "a group of the caller's name would wait for the caller"


def test_an_edit_of_the_text_cannot_touch_the_required_check() -> None:
    edits = load("review-text")
    assert edits[True] == {"pull_request": {"types": ["edited"]}}
    assert "edited" not in str(load("review")[True]), "an edit would repeat the tests, or pass without them"
    assert list(edits["jobs"]) == ["changes"]
    assert "success" not in [job["name"] for job in [*edits["jobs"].values(), *load("changes")["jobs"].values()]]
    assert "concurrency" not in edits, "an edit of the title would cancel the run for an edit of a line"


def test_both_reviews_are_one() -> None:
    called = {load(name)["jobs"]["changes"]["uses"] for name in ("review", "review-text")}
    assert called == {"./.github/workflows/changes.yml"}
    granted = [load(name)["jobs"]["changes"]["permissions"] for name in ("review", "review-text")]
    jobs = load("changes")["jobs"]
    assert granted == [READ | {"pull-requests": "write"}] * 2
    assert jobs["manifests"]["permissions"] == READ | {"pull-requests": "read"}, "it runs what the pull request holds"
    assert jobs["comment"]["permissions"] == READ | {"pull-requests": "write"}


def test_the_token_that_may_write_meets_only_the_code_of_the_base() -> None:
    writing = {name: job for name, job in load("changes")["jobs"].items() if "write" in job["permissions"].values()}
    assert writing.keys() == {"comment"}
    (checkout,) = [step for step in writing["comment"]["steps"] if step.get("uses", "").startswith("actions/checkout@")]
    assert checkout["with"].get("ref") == "${{ github.event.pull_request.base.sha }}", "the pull request's code runs"


def test_images_are_pushed_over_plain_http_only_where_the_builder_is_told() -> None:
    steps = load("e2e")["jobs"]["e2e"]["steps"]
    actions = [step.get("uses", "").partition("@")[0] for step in steps]
    (builder,) = [step["with"] for step in steps if "docker/setup-buildx-action@" in step.get("uses", "")]
    registries = tomllib.loads(builder["buildkitd-config-inline"])["registry"]
    pushed = [step["with"]["tags"] for step in steps if "docker/build-push-action@" in step.get("uses", "")]
    assert {tag.partition("/")[0] for tag in pushed} == {
        name for name, how in registries.items() if how == {"http": True}
    }
    assert builder["driver-opts"] == "network=host", "elsewhere kind-registry has no address"
    order = ["helm/kind-action", "docker/setup-buildx-action", "docker/build-push-action"]
    assert [actions.index(name) for name in order] == sorted(actions.index(name) for name in order)


def test_make_targets_exist(workflow: dict[Any, Any]) -> None:
    unknown = [target for target in targets(workflow) if target not in known()]
    assert unknown == [], f"the Makefile has no {unknown}"


def targets(workflow: dict[Any, Any]) -> list[str]:
    """What the workflow makes."""
    lines = [line for step in steps(workflow) for line in step.get("run", "").splitlines()]
    words = [word for line in lines for word in re.findall(r"^\s*make ([^|;&#]+)", line)]
    return [each for found in words for each in shlex.split(found) if re.match(r"^[.a-z]", each)]


def known() -> set[str]:
    """Targets of the Makefile that have a recipe or a prerequisite."""
    text = "".join(path.read_text() for path in (ROOT / "Makefile", ROOT / "tools" / "tools.mk"))
    return set(re.findall(r"^([a-z][a-z0-9-]*):(?!.* = )", text, re.MULTILINE))


def test_delivery_commands_parse() -> None:
    recipes = re.findall(r"-m delivery (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    lines = [step.get("run", "") for path in WORKFLOWS for step in steps(yaml.safe_load(path.read_text()))]
    lines = [found for line in lines for found in re.findall(r"-m delivery (.*)$", line, re.MULTILINE)]
    assert recipes + lines
    wrong = [f"delivery {line}: {fault}" for line in recipes + lines if (fault := misunderstood(line))]
    assert wrong == [], "the command line of `delivery` has changed, or never was so"


def misunderstood(line: str) -> str:
    """What is wrong with the arguments of `python -m delivery`; "" where nothing is."""
    name, *arguments = shlex.split(re.sub(r"\s(?:[|;]|&&|>>?).*", "", line))
    command = main.get_command(click.Context(main), name)
    if command is None:
        return "there is no such command"
    context = click.Context(command)
    try:
        given, _, _ = command.make_parser(context).parse_args(arguments)
    except click.UsageError as error:
        return error.format_message()
    missing = [each.name for each in command.params if each.required and each.name not in given]
    return f"{missing} is missing" if [name for name in missing if name != "repository"] else ""  # a runner sets that


def test_each_line_of_codeowners_owns_something() -> None:
    lines = [line.split() for line in (GITHUB / "CODEOWNERS").read_text().splitlines()]
    owned = [words for words in lines if words and not words[0].startswith("#")]
    assert owned[0][0] == "*", "the first line owns what no other does"
    empty = [pattern for pattern, *_ in owned[1:] if not any(ROOT.glob(pattern.strip("/") + "/*"))]
    assert empty == [], f"these match no file: {empty}"
    assert [
        words for words in owned if not words[1:] or not all(re.match(r"@[\w-]+/[\w-]+$", each) for each in words[1:])
    ] == []


LOCKS = {"gomod": "go.mod", "terraform": "versions.tf", "docker": "Dockerfile", "pip": "run.txt"}
"""A file of each sort that Dependabot reads."""


def test_dependabot_knows_every_lock() -> None:
    updates = yaml.safe_load((GITHUB / "dependabot.yml").read_text())["updates"]
    assert "github-actions" in {each["package-ecosystem"] for each in updates}
    for ecosystem, name in LOCKS.items():
        watched = [
            folder
            for each in updates
            if each["package-ecosystem"] == ecosystem
            for folder in each.get("directories", [each.get("directory")])
        ]
        there = {
            f"/{path.parent.relative_to(ROOT).as_posix()}".replace("/.", "/")
            for path in [*ROOT.glob(name), *ROOT.glob(f"*/{name}"), *ROOT.glob(f"[!.]*/*/{name}")]
            if not path.relative_to(ROOT).as_posix().startswith(".")
        }
        forgotten = {each for each in there if not any(PurePosixPath(each).match(folder) for folder in watched)}
        assert forgotten == set(), f"dependabot.yml does not look for {ecosystem} in {sorted(forgotten)}"

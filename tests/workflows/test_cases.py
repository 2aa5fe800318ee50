"""The workflows come to what cases.yaml says, under real expressions; mutations.yaml shows that this bites."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery.checkout import ROOT
from tests.workflows.events import Origin
from tests.workflows.github import ACTIONLINT, GitHub, Outcome
from tests.workflows.stand_ins import digest

HERE = Path(__file__).parent
WORKFLOWS = ROOT / ".github" / "workflows"
CASES = {case["name"]: case for case in yaml.safe_load((HERE / "cases.yaml").read_text())}
MUTATIONS = yaml.safe_load((HERE / "mutations.yaml").read_text())
CHANGES = re.compile(r"push |gh |make review-comment |delivery (?!fetch-secrets|history|plan)")
"""What is seen outside of the runner."""
PARALLEL = {"test", "nightly"}
"""Jobs with a matrix, whose rows come in any order."""

pytestmark = pytest.mark.slow
Case = Mapping[str, Any]


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Origin:
    return Origin(tmp_path_factory.mktemp("origin") / "repository")


def run(case: Case, folder: Path, origin: Origin, workflows: Path = WORKFLOWS) -> Outcome:
    """What a case comes to."""
    running = origin.commits.get(case.get("running", ""), "")
    failing, registry = case.get("failing", []), case.get("registry", {})
    github = GitHub(folder, workflows, origin, failing=failing, running=running, registry=registry)
    event = origin.event(case["event"])
    outcome = github.run(case["workflow"], event)
    return github.run_again(case["workflow"], event, outcome, case["again"]) if "again" in case else outcome


def seen(outcome: Outcome, case: Case, origin: Origin) -> dict[str, Any]:
    """An outcome as cases.yaml puts it, as far as the case says something of it."""
    names = {commit: name.upper() for name, commit in origin.commits.items()}
    names |= {digest(commit): name for commit, name in names.items()}
    did = {job: [named(line, names) for line in lines] for job, lines in outcome.did.items()}
    for job in PARALLEL & did.keys():
        did[job].sort()
    changes = {job: [line for line in lines if CHANGES.match(line)] for job, lines in did.items()}
    found: dict[str, Any] = {
        "results": {job: result for job, result in outcome.results.items() if result != "success"}
        if outcome.results
        else "none",
        "changes": {job: lines for job, lines in changes.items() if lines},
    }
    if "did" in case:
        found["did"] = {job: did.get(job, []) for job in case["did"]}
    if "rights" in case:
        found["rights"] = {job: dict(rights) for job, rights in outcome.rights.items()}
    if "said" in case:
        found["said"] = case["said"] if case["said"] in outcome.said else outcome.said
    return found


def named(line: str, names: Mapping[str, str]) -> str:
    return re.sub(r"sha256:[0-9a-f]{64}|[0-9a-f]{40}", lambda found: names.get(found[0], found[0]), line)


def expected(case: Case) -> dict[str, Any]:
    return {"results": {}, "changes": {}} | {
        key: case[key] for key in ("results", "changes", "did", "rights", "said") if key in case
    }


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_case(case: Case, tmp_path: Path, origin: Origin) -> None:
    outcome = run(case, tmp_path / "github", origin)
    assert seen(outcome, case, origin) == expected(case), outcome.said


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[mutation["name"] for mutation in MUTATIONS])
def test_mutation_is_noticed(mutation: Mapping[str, str], tmp_path: Path, origin: Origin) -> None:
    workflows = tmp_path / ".github" / "workflows"
    workflows.mkdir(parents=True)
    for path in WORKFLOWS.iterdir():
        text = path.read_text()
        if path.stem == mutation["in"]:
            assert text.count(mutation["replace"]) == mutation.get("times", 1), mutation["replace"]
            text = text.replace(mutation["replace"], mutation["with"])
        (workflows / path.name).write_text(text)
    lint = subprocess.run([ACTIONLINT, *workflows.iterdir()], capture_output=True, text=True, check=False)
    assert lint.returncode == 0, f"actionlint notices it already: {lint.stdout}"

    case = CASES[mutation["fails"]]
    outcome = run(case, tmp_path / "github", origin, workflows)
    assert seen(outcome, case, origin) != expected(case)
    if "by" in mutation:
        assert mutation["by"] in outcome.said

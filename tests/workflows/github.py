"""GitHub Actions for tests: it runs the jobs of a workflow by act, with stand-ins for actions and programs."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from delivery.checkout import ROOT
from tests.workflows import rules
from tests.workflows.events import REPOSITORY, Event, Origin
from tests.workflows.stand_ins import Stand

ACT = ROOT / ".tools" / "bin" / "act"
ACTIONLINT = ACT.with_name("actionlint")
CALLED = "./.github/workflows/"
OWN = {"runs-on", "if", "needs", "env", "outputs", "strategy", "steps", "name", "defaults"}
"""What act does with a job as GitHub does."""
COLLECTOR = "results-of-all-jobs"

Job = dict[str, Any]


@dataclass
class Outcome:
    """What a run came to.

    Attributes:
        results: of each job; those of a called workflow have the name of the caller before them, as in
            `changes/manifests`. Empty where nothing started.
        did: what each job did, in order.
        said: all that was printed.
        rights: of each job's token, by scope.
        outputs: of each job.
    """

    results: dict[str, str] = field(default_factory=dict)
    did: dict[str, list[str]] = field(default_factory=dict)
    said: str = ""
    rights: dict[str, rules.Rights] = field(default_factory=dict)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)


class GitHub:
    """A repository on GitHub, with the workflows in a folder."""

    def __init__(
        self,
        folder: Path,
        workflows: Path,
        origin: Origin,
        *,
        failing: list[str],
        running: str,
        registry: Mapping[str, str],
    ) -> None:
        self.folder = folder
        self.workflows = workflows
        self.stand = Stand(folder, origin, failing, running, registry)
        self.attempt = 1

    def run(self, name: str, event: Event) -> Outcome:
        """Run a workflow for an event, where the event starts it."""
        workflow = self._load(name)
        if not rules.starts(workflow, event.name, event.payload):
            return Outcome()
        try:
            return self._run(name, event, rules.EVERY)
        except rules.RefusedError as error:
            return Outcome({name: "startup_failure"}, said=str(error))

    def run_again(self, name: str, event: Event, before: Outcome, job: str) -> Outcome:
        """Run one job again, in which nothing fails now. The other jobs keep their results and outputs."""
        self.attempt += 1
        self.stand.fail([])
        workflow = self._load(name)
        kept = {
            each: {**stub({}, before.results[each]), "outputs": before.outputs[each]}
            for each in workflow["jobs"]
            if each != job
        }
        return self._act(name, workflow, event, rules.EVERY, kept)

    def _load(self, name: str) -> dict[Any, Any]:
        return dict(yaml.safe_load((self.workflows / f"{name}.yml").read_text()))

    def _run(self, name: str, event: Event, most: rules.Rights) -> Outcome:
        """Run a workflow, and the workflows that it calls.

        act gives a caller the result of the job that ends last, and runs no job after a called workflow that failed. So
        each called workflow runs by itself, and a job with its result stands for it.
        """
        workflow = self._load(name)
        callers = {job: called for job, called in workflow["jobs"].items() if "uses" in called}
        stubs = {job: stub(called, "success") for job, called in callers.items()}
        outcome = self._act(name, workflow, event, most, stubs)
        inner: dict[str, Outcome] = {}
        for job, called in callers.items():
            if outcome.results[job] != "skipped":
                asked = rules.asked(workflow, called, most)
                inner[job] = self._run(called["uses"].removeprefix(CALLED).removesuffix(".yml"), event, asked)
        results = {job: rules.result(each.results) for job, each in inner.items()}
        if set(results.values()) - {"success"}:
            stubs |= {job: stub(callers[job], result) for job, result in results.items()}
            outcome = self._act(name, workflow, event, most, stubs)
        for job, each in inner.items():
            outcome.results |= {f"{job}/{below}": result for below, result in each.results.items()}
            outcome.did |= {f"{job}/{below}": lines for below, lines in each.did.items()}
            outcome.rights |= {f"{job}/{below}": rights for below, rights in each.rights.items()}
            outcome.said += each.said
        return outcome

    def _act(
        self, name: str, workflow: dict[Any, Any], event: Event, most: rules.Rights, stubs: Mapping[str, Job]
    ) -> Outcome:
        asked = {job: rules.asked(workflow, each, most) for job, each in workflow["jobs"].items()}
        rights = {job: rules.granted(each, event.name, event.payload) for job, each in asked.items()}
        jobs = {job: stubs.get(job) or prepared(each, rights[job]) for job, each in workflow["jobs"].items()}
        jobs[COLLECTOR] = self.stand.collector(list(jobs))
        rest = {key: value for key, value in workflow.items() if key in {"name", "env", "defaults"}}
        given = (workflow[True].get(event.name) if isinstance(workflow[True], dict) else None) or {}
        path = self.folder / "run" / f"{name}.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump({"on": {event.name: given}, **rest, "jobs": jobs}, sort_keys=False))
        self.stand.reset()
        uses = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]
        said = self._call_act(path, event, uses)
        needs = self.stand.collected(said)
        results = {job: each["result"] for job, each in needs.items()}
        outputs = {job: each["outputs"] or {} for job, each in needs.items()}
        return Outcome(
            results, self.stand.did(), said, {job: rights[job] for job in rights if job not in stubs}, outputs
        )

    def _call_act(self, path: Path, event: Event, uses: list[str]) -> str:
        payload = self.folder / "event.json"
        payload.write_text(json.dumps(event.payload))
        ref = event.ref
        known = {
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_REF": ref,
            "SHA_REF": event.commit,  # act's own name for github.sha
            "GITHUB_RUN_ATTEMPT": str(self.attempt),
        }
        command = [str(ACT), event.name, "--directory", str(path.parent), "--workflows", str(path)]
        command += ["--eventpath", str(payload), "--platform", "ubuntu-24.04=-self-hosted", "--no-skip-checkout"]
        command += ["--no-cache-server", "--action-cache-path", str(self.folder / "cache"), "--json"]
        command += ["--secret", f"GITHUB_TOKEN={self.stand.TOKEN}"]
        command += [word for key, value in known.items() for word in ("--env", f"{key}={value}")]
        command += [word for each in self.stand.variables(ref) for word in ("--var", each)]
        command += [word for each in self.stand.repositories(uses) for word in ("--local-repository", each)]
        result = subprocess.run(
            command,
            env=self.stand.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return "".join(printed(result.stdout))


def printed(log: str) -> Iterator[str]:
    """What the jobs printed, and what act says is wrong, from its log."""
    for line in log.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            yield f"{line}\n"
            continue
        if entry.get("raw_output") or entry["level"] in {"error", "fatal"} or "command" in entry:
            yield f"{entry['msg'].rstrip()}\n"


def stub(job: Job, result: str) -> Job:
    """A job that runs nothing and has this result."""
    command = {"success": "true", "failure": "false", "cancelled": "false", "skipped": "true"}[result]
    kept = {key: value for key, value in job.items() if key in {"if", "needs"}}
    skipped = {"if": False} if result == "skipped" else {}
    return {"runs-on": "ubuntu-24.04", **kept, **skipped, "steps": [{"run": command}]}


def prepared(job: Job, granted: rules.Rights) -> Job:
    """A job for act: what act does not know becomes variables, which the stand-ins look at."""
    ready = {key: value for key, value in job.items() if key in OWN}
    unknown = set(job) - OWN - {"permissions", "environment", "timeout-minutes", "continue-on-error"}
    assert unknown == set(), f"teach tests/workflows/github.py what {unknown} of a job means"
    environment = job.get("environment", "")
    ready["env"] = {
        **job.get("env", {}),
        "GRANTED": json.dumps(granted),
        "ENVIRONMENT": environment["name"] if isinstance(environment, dict) else environment,
    }
    if job.get("continue-on-error"):  # nothing in it makes the run fail
        ready["steps"] = [{**step, "continue-on-error": True} for step in job["steps"]]
    if not environment:  # its variables are those of the environment
        ready = yaml.safe_load(re.sub(r"\bvars\.", "vars.NONE_", yaml.safe_dump(ready, sort_keys=False)))
    return ready

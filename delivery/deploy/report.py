"""What people are told: progress line by line, the plan, and the summary of the job in GitHub Actions."""

import os
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from delivery.deploy.plan import (
    ADOPT,
    CHANGE,
    CREATE,
    KEEP,
    PRUNE,
    PUT_BACK,
    RECREATE,
    REFUSE,
    RESTORE,
    Action,
    Plan,
)
from delivery.manifests import Object

SHOWN = 12
"""Fields of one object that the progress shows; the JSON has them all."""
VERBS = (CREATE, CHANGE, PUT_BACK, RECREATE, ADOPT, PRUNE, RESTORE, KEEP, REFUSE)


class Report:
    """Collects what happened; the values in `secret` appear nowhere."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.secret: set[str] = set()
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        """A line of progress; on standard error where standard output is for JSON."""
        line = " ".join(self.mask(line).splitlines())
        self.lines.append(line)
        print(line, file=sys.stderr if self.as_json else sys.stdout, flush=True)

    def step(self, line: str) -> None:
        self.say(f"==> {line}")

    def detail(self, line: str) -> None:
        self.say(f"    {line}")

    def mask(self, text: str) -> str:
        for value in sorted(self.secret, key=len, reverse=True):
            for part in (value, *value.splitlines()):
                text = text.replace(part, "***") if part.strip() else text
        return text

    def masked(self, plan: Plan) -> Plan:
        """The plan without the values in `secret`, fit for every output."""
        return Plan(
            [
                replace(
                    action,
                    reason=self.mask(action.reason),
                    fields=[self.mask(each) for each in action.fields],
                    drift=[self.mask(each) for each in action.drift],
                )
                for action in plan.actions
            ]
        )

    def plan(self, plan: Plan) -> None:
        for action in plan.changes():
            self.detail(in_words(action))
            for line in [*(f"drift  {each}" for each in action.drift), *action.fields][:SHOWN]:
                self.detail(f"         {line}")
            if (more := len(action.drift) + len(action.fields) - SHOWN) > 0:
                self.detail(f"         and {more} fields more")
        self.detail(total(plan))


def in_words(action: Action) -> str:
    return f"{action.what:9}{action.key}" + (f": {action.reason}" if action.reason else "")


def total(plan: Plan) -> str:
    counts = [f"{verb} {len(plan.of(verb))}" for verb in VERBS if plan.of(verb)]
    drifted = sum(bool(action.drift) for action in plan.actions)
    return "Plan: " + (", ".join(counts) or "nothing to change") + (f"; {drifted} drifted" if drifted else "")


def summary(heading: str, facts: Iterable[tuple[str, str]], plan: Plan | None, lines: list[str]) -> None:
    """Append to the job summary of GitHub Actions, where there is one."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    nothing = "Nothing had to change." if plan else "Nothing was planned, and nothing changed."
    table = ["| what | object | why |", "| --- | --- | --- |"]
    for action in plan.changes() if plan else []:
        why = "; ".join(filter(None, [action.reason, *(f"drift: {each}" for each in action.drift), *action.fields][:4]))
        table.append(f"| {action.what} | {cell(str(action.key))} | {cell(why)} |")
    parts = [
        f"## {heading}",
        *(f"- {name}: {code(value)}" for name, value in facts),
        "",
        *(table if len(table) > 2 else [nothing]),
        "",
        "<details><summary>Progress</summary>",
        "",
        *(f"    {line}" for line in lines),
        "",
        "</details>",
        "",
    ]
    try:
        with Path(path).open("a") as file:
            file.write("\n".join(parts))
    except OSError as error:  # what was done is done, and the progress has said it
        print(f"The job summary {path} cannot be written: {error.strerror}.", file=sys.stderr, flush=True)


def code(text: str) -> str:
    """Text as it is, on one line: nothing in it is Markdown or HTML, for there is no backtick in it."""
    line = " ".join(text.split()).replace("`", "'")
    return f"`{line}`"


def cell(text: str) -> str:
    """Text that can neither end a table's cell nor become HTML."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("`", "'")


def as_json(plan: Plan | None) -> list[Object]:
    return [action.as_json() for action in plan.actions] if plan else []

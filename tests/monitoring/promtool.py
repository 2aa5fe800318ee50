"""promtool's unit tests of the rules, made by a test: which severities of which alerts fire at which moment."""

import copy
from collections.abc import Iterable
from pathlib import Path

import yaml

from delivery.manifests import Object
from delivery.tools.program import run
from monitoring.local import configuration
from tests.monitoring import objects

STATE = ("taskpulse-service", "taskpulse-tasks", "taskpulse-queues", "taskpulse-monitoring", "taskpulse-probe")
OBJECTIVES = ("taskpulse-slo-answers", "taskpulse-slo-latency")
"""Names of groups of rules: on the state of things, and on shares of requests, which a test gives itself."""


def groups(names: tuple[str, ...]) -> list[Object]:
    """Groups of rules of overlay main, without intervals, so that a test sets how often they are run."""
    made = copy.deepcopy(configuration.rules(objects.overlay("main"))["groups"])
    for group in made:
        del group["interval"]
    return [group for group in made if group["name"] in names]


Fired = tuple[str, str]
"""An alert's name and severity."""


def firing(moment: str, expected: Iterable[Fired], *, among: Iterable[Fired]) -> Object:
    """A check that, among some alerts, the expected ones fire at a moment and no other does."""
    samples = [
        {"labels": f'{{alertname="{alert}", severity="{severity}"}}', "value": 1}
        for alert, severity in sorted(set(expected))
    ]
    asked = " or ".join(
        f'ALERTS{{alertstate="firing",alertname="{alert}",severity="{severity}"}}'
        for alert, severity in sorted(set(among))
    )
    return {"expr": f"group by (alertname, severity) ({asked})", "eval_time": moment, "exp_samples": samples}


def check(tests: list[Object], folder: Path, *, interval: str, rules: tuple[str, ...] = STATE) -> None:
    """Run tests with some groups of rules, evaluated every `interval`; fail with what promtool says."""
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups(rules)}), "utf-8")
    content = {"rule_files": ["rules.yaml"], "evaluation_interval": interval, "tests": tests}
    (folder / "tests.yaml").write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    tested = run("promtool", "test", "rules", folder / "tests.yaml")
    assert tested.returncode == 0, tested.stdout + tested.stderr

"""The rules, by Prometheus' own tool."""

import copy
import subprocess
from pathlib import Path

import pytest
import yaml

from delivery.manifests import Object
from delivery.tools.program import run
from monitoring.local import configuration
from tests.monitoring import objects

pytestmark = pytest.mark.slow

FILES = sorted(path.name for path in (objects.FOLDER / "tests").glob("*.yaml"))


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run("promtool", *arguments)


def all_rules(name: str = "main") -> Object:
    """A copy of the rules of an overlay."""
    return copy.deepcopy(configuration.rules(objects.overlay(name)))


def for_unit_tests(file: str) -> Object:
    """The rules that a file of tests asks for, with the recorded ones for those that need them.

    Without addresses, which settings fill, without intervals, so that the file sets how often rules are run, and
    without the shares of the month, which take long and which test_budgets.py asks.
    """
    rules, asked = all_rules(), {test.alert for test in objects.alert_tests(file)}
    recorded = file in {"slo.yaml", "scenarios.yaml", "monitoring.yaml"}
    rules["groups"] = [
        group
        for group in rules["groups"]
        if asked & {rule.get("alert") for rule in group["rules"]} or (recorded and "record" in group["rules"][0])
    ]
    for group in rules["groups"]:
        del group["interval"]
        group["rules"] = [rule for rule in group["rules"] if not rule.get("record", "").endswith("30d")]
        for rule in group["rules"]:
            for address in ("runbook_url", "dashboard_url", "board_url"):
                rule.get("annotations", {}).pop(address, None)
    return rules


@pytest.mark.parametrize("name", ["dev", "main"])
def test_rules_pass_the_lint(name: str, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(all_rules(name)), "utf-8")
    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", file)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_lint_refuses_a_rule_twice(tmp_path: Path) -> None:
    rules = all_rules()
    rules["groups"][0]["rules"] *= 2
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(rules), "utf-8")
    assert promtool("check", "rules", "--lint=all", "--lint-fatal", file).returncode != 0


@pytest.mark.parametrize("file", FILES)
def test_alerts_fire_when_they_should(file: str, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(for_unit_tests(file)), "utf-8")
    (tmp_path / file).write_text((objects.FOLDER / "tests" / file).read_text("utf-8"), "utf-8")
    tested = promtool("test", "rules", tmp_path / file)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_prometheus_parses_every_query_of_a_dashboard(tmp_path: Path) -> None:
    """As a rule each, so that the real parser reads it."""
    records = [
        {"record": f"panel:query:{number}", "expr": query}
        for number, query in enumerate(
            query for board in objects.dashboards().values() for _, query in objects.queries(board)
        )
    ]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": records}]}), "utf-8")
    checked = promtool("check", "rules", file)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(records)} rules found" in checked.stdout

"""The table of alerts in monitoring/README.md, made of rules, tests and routes: `python -m tests.monitoring.table`."""

import re

from delivery.manifests import Object
from tests.monitoring import objects

BEGIN, END = "<!-- made by `make alerts` -->", "<!-- end -->"
ROUTES = {"critical": "Slack, mail (main)", "warning": "Slack", "info": "nobody"}
"""Receivers in words; tests/monitoring/test_routing.py asks amtool for the same."""


def table() -> str:
    """Return the table as Markdown."""
    tests = [test for file in objects.UNIT_TESTS for test in objects.alert_tests(file)]
    lines = [
        "| Alert | Fires | Is silent | Goes to | With two pods |",
        "| --- | --- | --- | --- | --- |",
    ]
    for alert, rules in sorted(objects.alerts().items()):
        own = [test for test in tests if test.alert == alert]
        fires = "; ".join(what(test) for test in own if test.expected)
        silent = "; ".join(what(test) for test in own if not test.expected)
        cluster = alert == "TaskPulseMonitoringRejected"
        goes = "Slack, by the base configuration" if cluster else "; ".join(route(rules))
        shown = {label for test in own for each in test.expected for label in each["exp_labels"]}
        each = next((label for label in ("pod", "queue") if label in shown), None)
        pods = f"one for each {each}, in one message" if each else "one"
        lines.append(f"| [{alert}](runbooks/{alert}.md) | {fires} | {silent} | {goes} | {pods} |")
    return "\n".join(lines)


def what(test: objects.AlertTest) -> str:
    return test.name.partition(": ")[2].replace("|", "\\|")


def route(rules: list[Object]) -> list[str]:
    severities = {rule["labels"]["severity"] for rule in rules}
    return [f"{severity}: {ROUTES[severity]}" for severity in ("critical", "warning", "info") if severity in severities]


if __name__ == "__main__":
    readme = objects.FOLDER / "README.md"
    text = readme.read_text("utf-8")
    made = re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{table()}\n{END}", text, flags=re.DOTALL)
    readme.write_text(made, "utf-8")

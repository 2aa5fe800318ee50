"""What is under monitoring/, as the tests look at it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser
import yaml

from delivery.manifests import Object, Render
from delivery.render import render
from monitoring.local import configuration

FOLDER = Path(__file__).parents[2] / "monitoring"

GRAFANA_VARIABLES = {"$__rate_interval": "5m", "$namespace": "taskpulse", "${datasource}": "prometheus"}

EXPORTERS = {
    "up": "Prometheus itself",
    "ALERTS": "Prometheus itself",
    "kube_deployment_spec_replicas": "kube-state-metrics",
    "kube_horizontalpodautoscaler_spec_max_replicas": "kube-state-metrics",
    "kube_horizontalpodautoscaler_spec_min_replicas": "kube-state-metrics",
    "kube_horizontalpodautoscaler_status_condition": "kube-state-metrics",
    "kube_horizontalpodautoscaler_status_current_replicas": "kube-state-metrics",
    "kube_pod_container_status_restarts_total": "kube-state-metrics",
    "kube_pod_container_status_waiting_reason": "kube-state-metrics",
    "kube_pod_init_container_status_ready": "kube-state-metrics",
    "probe_ssl_earliest_cert_expiry": "the blackbox exporter",
    "probe_success": "the blackbox exporter",
    "prometheus_operator_managed_resources": "the Prometheus operator",
}
"""Metrics that are not the service's own, and where they come from."""
UNIT_TESTS = ("slo.yaml", "tasks.yaml", "queues.yaml", "service.yaml", "monitoring.yaml", "probe.yaml")
"""Files of monitoring/tests/ that ask whether an alert fires."""


@cache
def overlay(name: str) -> Render:
    """An overlay as it renders."""
    return Render.parse(name, render(name))


def rules() -> list[Object]:
    """Every rule of overlay main, recording ones too."""
    return [rule for group in configuration.rules(overlay("main"))["groups"] for rule in group["rules"]]


def alerts() -> dict[str, list[Object]]:
    """The rules of each alert, by its name."""
    found: dict[str, list[Object]] = {}
    for rule in rules():
        if "alert" in rule:
            found.setdefault(rule["alert"], []).append(rule)
    return found


@dataclass(frozen=True)
class AlertTest:
    """A test of promtool's that asks for one alert: what it is called, what it expects."""

    name: str
    alert: str
    expected: list[Object]


BOARD_VIEWS = {
    "TaskPulseWorkerQuiet": "?view=tasks&lease=expired",
    "TaskPulseAllWorkersQuiet": "?view=tasks&lease=expired",
    "TaskPulseLeasesKeepExpiring": "?view=work",
    "TaskPulseTasksOverdue": "?view=tasks&overdue=true&sort=due_at",
    "TaskPulseTasksFailed": "?view=tasks&status=failed&sort=-updated_at",
    "TaskPulseOldestOpenTask": "?view=tasks&status=open&ready=true&sort=created_at",
    "TaskPulseQueuePaused": "?view=queues",
    "TaskPulseQueueLate": "?view=tasks&label=LABEL&status=open&ready=true&sort=created_at",
}
"""Alerts about tasks and queues, and the view of the board that shows these."""


def alert_tests(file: str) -> Iterator[AlertTest]:
    """The tests in a file of monitoring/tests/."""
    for test in yaml.safe_load((FOLDER / "tests" / file).read_text("utf-8"))["tests"]:
        for asked in test["alert_rule_test"]:
            yield AlertTest(test["name"], asked["alertname"], asked.get("exp_alerts", []))


def dashboards() -> dict[str, Any]:
    """Grafana's dashboards, by file name."""
    return {path.name: json.loads(path.read_text("utf-8")) for path in sorted((FOLDER / "dashboards").glob("*.json"))}


def queries(dashboard: Any) -> Iterator[tuple[str, str]]:
    """Title and PromQL of every query of a dashboard, its annotations too, with Grafana's variables filled in."""
    sources = [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel["targets"]]
    sources += [(each["name"], each["expr"]) for each in dashboard["annotations"]["list"]]
    for title, expression in sources:
        for variable, value in GRAFANA_VARIABLES.items():
            expression = expression.replace(variable, value)  # noqa: PLW2901
        yield title, expression


def sources(promql: str) -> set[str]:
    """Names of the metrics that a query of the rules asks for, with those that a recorded one is made of in its place.

    The shares of requests count as metrics of their own.
    """
    recorded = {rule["record"]: rule["expr"] for rule in rules() if rule.get("record", "").endswith((":max", ":count"))}
    found: set[str] = set()
    for name in metrics(promql):
        found |= sources(recorded[name]) if name in recorded else {name}
    return found


def metrics(promql: str) -> set[str]:
    """Names of the metrics that a query asks for.

    Raises ValueError for a query that does not parse.
    """
    found = set()

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.add(str(node.name))
        for attribute in ("expr", "lhs", "rhs", "vector_selector", "vs"):
            if (child := getattr(node, attribute, None)) is not None and not isinstance(child, str):
                visit(child)
        for argument in getattr(node, "args", None) or []:
            visit(argument)

    visit(promql_parser.parse(promql))
    return found

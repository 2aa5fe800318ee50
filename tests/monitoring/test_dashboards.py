"""The dashboards, by rules of the kind that Grafana's dashboard-linter has. Grafana itself is not run."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery.tools.program import run
from tests.monitoring import objects

DASHBOARDS = objects.dashboards()
UNITS = {"short", "s", "reqps", "ops", "percentunit"}
PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, dashboard in DASHBOARDS.items()
    for panel in dashboard["panels"]
]
ALERT_WINDOWS = {"2m", "5m", "30m", "1h"}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS)
def test_a_dashboard_is_portable(dashboard: Any) -> None:
    """Stable address, a title, no fixed data source, no id of another Grafana, nothing edited in place."""
    assert dashboard["uid"].startswith("taskpulse-")
    assert dashboard["title"].startswith("TaskPulse / ")
    assert dashboard["description"]
    assert "id" not in dashboard
    assert dashboard["editable"] is False
    assert dashboard["timezone"] == "utc"
    [source, namespace] = dashboard["templating"]["list"]
    assert (source["name"], source["type"], source["query"]) == ("datasource", "datasource", "prometheus")
    assert namespace["name"] == "namespace"
    assert namespace["datasource"] == SOURCE


@pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS)
def test_panels_do_not_overlap(dashboard: Any) -> None:
    cells: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        own = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not own & cells, panel["title"]
        cells |= own
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    assert len({panel["title"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_explains_itself(panel: Any) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["datasource"] == SOURCE
    assert panel["targets"]
    for target in panel["targets"]:
        assert target["datasource"] == SOURCE
        assert target["legendFormat"]


@pytest.mark.parametrize("panel", PANELS)
def test_a_rate_fits_the_resolution(panel: Any) -> None:
    """A window is Grafana's own, or one of the objectives' and of the alerts'."""
    for target in panel["targets"]:
        for window in target["expr"].split("[")[1:]:
            assert window.partition("]")[0] in {"$__rate_interval", *ALERT_WINDOWS}


@pytest.mark.parametrize("panel", PANELS)
def test_a_query_looks_at_one_namespace(panel: Any) -> None:
    """All but what the operator, which has a namespace of its own, says of itself."""
    for target in panel["targets"]:
        assert 'namespace="$namespace"' in target["expr"] or "prometheus_operator_" in target["expr"]


@pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS)
def test_every_query_parses(dashboard: Any) -> None:
    for _, query in objects.queries(dashboard):
        assert objects.metrics(query)


def at(minutes: int, *revisions: str) -> dict[str, Any]:
    """What a test of promtool's expects of the marks at a time: one for each of these commits, with one pod each."""
    samples = [{"labels": f'{{revision="{revision}"}}', "value": 1} for revision in revisions]
    return {"expr": RELEASES, "eval_time": f"{minutes}m", "exp_samples": samples}


NAMESPACE = objects.GRAFANA_VARIABLES["$namespace"]
RELEASES = dict(objects.queries(DASHBOARDS["service.json"]))["Releases"]


@pytest.mark.slow
def test_each_release_and_each_rollback_is_marked_once(tmp_path: Path) -> None:
    """Release a becomes b at 20 minutes and comes back at 40; the pods of both overlap for a minute."""
    series = {"a": "1+0x20 stale _x18 1+0x20", "b": "_x20 1+0x20 stale _x14"}
    given = [
        {
            "series": f'taskpulse_build_info{{namespace="{NAMESPACE}", pod="{name}", revision="{name}"}}',
            "values": values,
        }
        for name, values in series.items()
    ]
    expected = [at(10), at(20, "b"), at(21, "b"), at(23), at(30), at(40, "a"), at(41, "a"), at(43), at(55)]
    test = {"interval": "1m", "input_series": given, "promql_expr_test": expected}
    file = tmp_path / "marks.yaml"
    file.write_text(yaml.safe_dump({"evaluation_interval": "1m", "tests": [test]}))
    tested = run("promtool", "test", "rules", file)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_all_dashboards_have_the_same_marks() -> None:
    marks = [dashboard["annotations"] for dashboard in DASHBOARDS.values()]
    assert all(each == marks[0] for each in marks)


@pytest.mark.parametrize("name", ["dev", "main"])
def test_grafana_finds_them(name: str) -> None:
    maps = [each for each in objects.overlay(name).of("ConfigMap") if "grafana_dashboard" in each["metadata"]["labels"]]
    assert {key for each in maps for key in each["data"]} == set(DASHBOARDS)
    assert all(each["metadata"]["labels"]["grafana_dashboard"] == "1" for each in maps)


COMPARED = re.compile(r"(>=|<=|>|<) (\d+(?:\.\d+)?(?: \* \d+(?:\.\d+)?)*)")
NOT_DRAWN = {
    "TaskPulseAbsent": "what is wanted and what answers stand beside each other in a panel",
    "TaskPulseAllWorkersQuiet": "no lease is live, while two or more are expired",
    "TaskPulseAtMaximumScale": "the maximum is a line of its own",
    "TaskPulseClusterMetricsAbsent": "figures are missing",
    "TaskPulseDatabaseDown": "a colour of the panel",
    "TaskPulseMigrationsPending": "pods that migrate are a line of their own",
    "TaskPulseProbeAbsent": "figures are missing",
    "TaskPulseTargetDown": "what is wanted and what answers stand beside each other in a panel",
    "TaskPulseTasksFailed": "a difference to an hour ago",
}
"""Alerts without a line or a colour in a panel, and what shows when they begin."""


def compared(expression: str) -> set[float]:
    """Numbers that a rule compares with; more than 0 of what is counted is 1."""
    return {math.prod(map(float, number.split(" * "))) or 1.0 for _, number in COMPARED.findall(expression)}


def steps(panel: Any) -> set[float]:
    found = panel["fieldConfig"]["defaults"].get("thresholds", {"steps": []})["steps"]
    return {step["value"] for step in found if step["value"] is not None}


def drawn() -> Iterator[tuple[Any, set[str]]]:
    """Each panel with the metrics that it shows."""
    for board in DASHBOARDS.values():
        shown: dict[str, set[str]] = {}
        for title, query in objects.queries(board):
            shown.setdefault(title, set()).update(objects.sources(query))
        for panel in board["panels"]:
            yield panel, shown[panel["title"]]


def near(number: float, numbers: set[float]) -> bool:
    return any(math.isclose(number, each) for each in numbers)


@pytest.mark.parametrize("alert", sorted(objects.alerts().keys() - NOT_DRAWN.keys()))
def test_the_threshold_of_an_alert_is_drawn(alert: str) -> None:
    """Some panel that shows what an alert asks for has the number that it compares with as a line or a colour."""
    for rule in objects.alerts()[alert]:
        asked = objects.sources(rule["expr"])
        panels = [panel for panel, shown in drawn() if asked & shown]
        assert any(near(each, steps(panel)) for panel in panels for each in compared(rule["expr"])), rule["expr"]


def test_a_line_that_is_drawn_is_an_alerts() -> None:
    lines = [(panel, shown) for panel, shown in drawn() if "custom" in panel["fieldConfig"]["defaults"]]
    assert lines
    for panel, shown in lines:
        own = [
            rule["expr"]
            for rules in objects.alerts().values()
            for rule in rules
            if objects.sources(rule["expr"]) & shown
        ]
        for step in steps(panel) - {0, 0.25}:  # of a budget, and of the objective itself
            assert any(near(step, compared(each)) for each in own), (panel["title"], step)


def test_what_is_finished_does_not_flatten_the_rest() -> None:
    """Done tasks are many more than all others: nothing else shares an axis with them."""
    statuses = {"done", "cancelled", "failed", "in_progress", "open"}
    for panel, _ in drawn():
        expressions = [target["expr"] for target in panel["targets"] if "taskpulse_tasks{" in target["expr"]]
        for expression in expressions:
            chosen = re.search(r'status=~?"([^"]+)"', expression)
            assert chosen, panel["title"]
            shown = set(chosen[1].split("|"))
            assert shown <= statuses
            assert "done" not in shown or shown <= {"done", "cancelled"}
            assert "done" not in shown or len(panel["targets"]) == 1

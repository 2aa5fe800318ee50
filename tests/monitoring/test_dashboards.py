"""The dashboards, by rules of the kind that Grafana's dashboard-linter has. Grafana itself is not run."""

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

"""Each threshold and each waiting time of an alert from both sides, by thresholds.yaml."""

from pathlib import Path

import pytest
import yaml

from delivery.manifests import Object
from tests.monitoring import objects, promtool

CASES: list[Object] = yaml.safe_load(Path(__file__).with_name("thresholds.yaml").read_text("utf-8"))
BURN_RATES = {"TaskPulseErrorBudgetBurn", "TaskPulseLatencyBudgetBurn"}
"""test_burn_rates.py asks them."""


def test_every_alert_has_both_sides() -> None:
    for alert, rules in objects.alerts().items():
        if alert in BURN_RATES:
            continue
        sides = [fired for case in CASES if case["alert"] == alert for fired in case["severities"].values()]
        for severity in {rule["labels"]["severity"] for rule in rules}:
            assert any(severity in fired for fired in sides), (alert, severity)
            assert any(severity not in fired for fired in sides), (alert, severity)


def as_test(case: Object) -> Object:
    fired = {(case["alert"], rule["labels"]["severity"]) for rule in objects.alerts()[case["alert"]]}
    series = []
    for name, values in case["series"].items():
        assert isinstance(values, str), f"{name}: quote it, as YAML takes 0x40 for a number"
        metric, _, labels = name.removesuffix("}").partition("{")
        job = [] if metric.startswith(("kube_", "prometheus_")) or "job=" in labels else ['job="taskpulse-api"']
        pairs = ",".join(['namespace="taskpulse"', *job, *([labels] if labels else [])])
        series.append({"series": f"{metric}{{{pairs}}}", "values": values})
    checks = [
        promtool.firing(moment, {(case["alert"], severity) for severity in severities}, among=fired)
        for moment, severities in case["severities"].items()
    ]
    return {"name": case["alert"], "interval": "15s", "input_series": series, "promql_expr_test": checks}


@pytest.mark.slow
def test_an_alert_fires_on_one_side_only(tmp_path: Path) -> None:
    promtool.check([as_test(case) for case in CASES], tmp_path, interval="15s")

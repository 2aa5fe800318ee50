"""The part of the 30-day budgets that is left. It comes from recorded shares, weighted by requests, not raw samples."""

from pathlib import Path

import pytest

from delivery.manifests import Object
from tests.monitoring import objects, promtool

pytestmark = pytest.mark.slow

GROUPS = ("taskpulse-objectives-fast", "taskpulse-objectives-slow")
LABELS = 'namespace="taskpulse",job="taskpulse-api",path="/v1/tasks",long_lived="false"'
ANSWERS = 'http_requests_total{%s,status_code="%s"}'
TIMES = 'http_request_duration_seconds_%s{%s,status_code="200"%s}'


def share(kind: str, minute: int, thousandths: int | None) -> Object:
    """A check of the share of requests that missed their objective, rounded to thousandths; None: there is none."""
    expected = [{"labels": '{namespace="taskpulse", job="taskpulse-api"}', "value": thousandths}]
    return {
        "expr": f"round(1000 * namespace_job:http_requests_{kind}:ratio_rate30d)",
        "eval_time": f"{minute}m",
        "exp_samples": [] if thousandths is None else expected,
    }


def test_a_busy_hour_weighs_more_than_a_quiet_one(tmp_path: Path) -> None:
    """In the first hour 600 requests a minute, of which 1 % fail and 2 % are slow; then 6, all of which fail."""
    given = {
        ANSWERS % (LABELS, 200): "0+594x60 35640x60",
        ANSWERS % (LABELS, 500): "0+6x120",
        TIMES % ("count", LABELS, ""): "0+594x60 35640x60",
        TIMES % ("bucket", LABELS, ',le="0.25"'): "0+582x60 34920x60",
    }
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in given.items()],
        "promql_expr_test": [
            share("failed", 60, 10),
            share("slow", 60, 20),
            share("failed", 120, 20),
            share("slow", 120, 20),
        ],
    }
    promtool.check([test], tmp_path, interval="1m", rules=GROUPS)


def test_no_failure_is_a_whole_budget_and_no_request_is_none(tmp_path: Path) -> None:
    served = {"series": ANSWERS % (LABELS, 200), "values": "0+60x60"}
    quiet = {"series": ANSWERS % (LABELS, 200), "values": "7x60"}
    tests = [
        {"interval": "1m", "input_series": [served], "promql_expr_test": [share("failed", 60, 0)]},
        {"interval": "1m", "input_series": [quiet], "promql_expr_test": [share("failed", 60, None)]},
    ]
    promtool.check(tests, tmp_path, interval="1m", rules=GROUPS)


@pytest.mark.parametrize(("kind", "objective"), [("failed", "0.001"), ("slow", "0.01")])
def test_panels_measure_the_shares_by_the_objectives(kind: str, objective: str) -> None:
    asked = [query for _, query in objects.queries(objects.dashboards()["objectives.json"])]
    budgets = [query for query in asked if f"http_requests_{kind}:ratio_rate30d" in query]
    assert len(budgets) == 2
    assert all(query.startswith("1 - ") and query.endswith(f"}} / {objective}") for query in budgets)

"""The burn-rate alerts from both sides of each of their thresholds; the shares of requests are given, not measured."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from delivery.manifests import Object
from tests.monitoring import promtool

pytestmark = pytest.mark.slow

BUDGETS = {"failed": ("TaskPulseErrorBudgetBurn", 0.001), "slow": ("TaskPulseLatencyBudgetBurn", 0.01)}
WINDOWS = {
    "1h": ("5m", 14.4, 10, 2, "critical"),
    "6h": ("30m", 6, 10, 15, "critical"),
    "1d": ("2h", 3, 3, 60, "warning"),
    "3d": ("6h", 1, 3, 180, "warning"),
}
"""By long window: the short one, the burn rate, how many requests must miss, the minutes to wait, the severity."""
UNTIL = 190
"""Minutes."""


def cases(window: str, rate: float, least: int, minutes: int) -> Iterator[tuple[Object, int, bool]]:
    """Shares and numbers (long, short, missed), a minute, and whether the alert fires then."""
    above, below = rate * 1.01, rate * 0.99
    yield {"long": above, "short": above, "missed": least}, minutes, True
    yield {"long": above, "short": above, "missed": least}, minutes - 1, False
    yield {"long": above, "missed": least}, minutes, True  # no requests are no proof that it is over
    yield {"long": above, "short": below, "missed": least}, UNTIL, False
    yield {"long": below, "short": above, "missed": least}, UNTIL, False
    yield {"long": above, "short": above, "missed": least - 0.1}, UNTIL, False


@pytest.mark.parametrize("kind", BUDGETS)
@pytest.mark.parametrize("window", WINDOWS)
def test_both_sides(kind: str, window: str, tmp_path: Path) -> None:
    alert, budget = BUDGETS[kind]
    short, factor, least, minutes, severity = WINDOWS[window]
    names = {
        "long": f"namespace_job:http_requests_{kind}:ratio_rate{window}",
        "short": f"namespace_job:http_requests_{kind}:ratio_rate{short}",
        "missed": f"namespace_job:http_requests_{kind}:increase{window}",
    }
    tests = [
        {
            "name": f"{given} at {minute} min",
            "interval": "1m",
            "input_series": [
                {
                    "series": f'{names[each]}{{namespace="taskpulse",job="taskpulse-api"}}',
                    "values": f"{value:g}x{minute + 1}",
                }
                for each, value in given.items()
            ],
            "promql_expr_test": [
                promtool.firing(f"{minute}m", [(alert, severity)] if fires else [], among=[(alert, severity)])
            ],
        }
        for given, minute, fires in cases(window, factor * budget, least, minutes)
    ]
    promtool.check(tests, tmp_path, interval="1m", rules=promtool.OBJECTIVES)


def test_a_warning_goes_on_while_the_critical_alert_holds_it_back(tmp_path: Path) -> None:
    """Alertmanager does not tell the end of an alert that it holds back; here it ends after, at minute 120."""
    labels = '{namespace="taskpulse",job="taskpulse-api"}'
    given = {
        "namespace_job:http_requests_failed:ratio_rate1d": "0.004x80 0.001x80",
        "namespace_job:http_requests_failed:ratio_rate2h": "0.004x160",
        "namespace_job:http_requests_failed:increase1d": "100x160",
        "namespace_job:http_requests_failed:ratio_rate1h": "0.001x60 0.02x59 0.001x40",
        "namespace_job:http_requests_failed:ratio_rate5m": "0.02x160",
        "namespace_job:http_requests_failed:increase1h": "100x160",
    }
    both = [("TaskPulseErrorBudgetBurn", severity) for severity in ("critical", "warning")]
    firing = {60: both[1:], 75: both, 110: both, 119: both, 125: []}
    test = {
        "interval": "1m",
        "input_series": [{"series": f"{name}{labels}", "values": values} for name, values in given.items()],
        "promql_expr_test": [promtool.firing(f"{at}m", expected, among=both) for at, expected in firing.items()],
    }
    promtool.check([test], tmp_path, interval="1m", rules=promtool.OBJECTIVES)

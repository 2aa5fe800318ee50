"""What fires goes on firing while nobody can look, and waiting times do not start over: no data is not zero."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from delivery.manifests import Object
from tests.monitoring import objects, promtool

pytestmark = pytest.mark.slow

STEP_S = 15
BEGIN = 100
"""The step of 15 s at which a gap begins."""

Value = Callable[[int], float | None]
"""What a series has at a step; None: no sample."""

SERVICE, FIGURES, EXPORTERS = "service", "figures", "exporters"
"""Where a series comes from: each pod's own state, what a pod reads from the database, other exporters."""
FIGURE_NAMES = ("taskpulse_leases", "taskpulse_oldest", "taskpulse_tasks", "taskpulse_open", "taskpulse_queue")


def is_from(series: str) -> str:
    if not series.partition("{")[2].count('job="taskpulse-api"'):
        return EXPORTERS
    return FIGURES if series.startswith(FIGURE_NAMES) else SERVICE


def constant(value: float) -> Value:
    return lambda _: value


def counter(per_step: float) -> Value:
    return lambda step: per_step * step


def pod(name: str, metric: str, **labels: str) -> str:
    more = "".join(f',{key}="{value}"' for key, value in labels.items())
    return f'{metric}{{namespace="taskpulse",job="taskpulse-api",pod="taskpulse-api-{name}"{more}}}'


def exporter(metric: str, **labels: str) -> str:
    pairs = ",".join(f'{key}="{value}"' for key, value in {"namespace": "taskpulse", **labels}.items())
    return f"{metric}{{{pairs}}}"


HPA = {"horizontalpodautoscaler": "taskpulse-api"}
WORLD: dict[str, Value] = {
    pod("a", "up"): constant(1),
    pod("b", "up"): lambda step: step % 2,
    pod("a", "taskpulse_database_up"): constant(0),
    pod("a", "taskpulse_pool_waiting"): constant(3),
    pod("a", "taskpulse_refused_total", reason="heavy_calls"): counter(10),
    pod("a", "taskpulse_lease_takeovers_total"): counter(0.2),
    pod("a", "taskpulse_collector_last_success_timestamp_seconds"): constant(0),
    pod("a", "taskpulse_events_sent_up_to_timestamp_seconds"): constant(0),
    pod("a", "taskpulse_leases", state="expired"): constant(3),
    pod("a", "taskpulse_leases", state="live"): constant(0),
    pod("a", "taskpulse_oldest_expired_lease_timestamp_seconds"): constant(-700),
    pod("a", "taskpulse_oldest_open_task_timestamp_seconds"): constant(-90_000),
    pod("a", "taskpulse_open_tasks", state="ready"): constant(5),
    pod("a", "taskpulse_tasks", status="failed"): lambda step: 7 if step < 80 else 8,
    pod("a", "taskpulse_tasks_overdue"): constant(2),
    pod("a", "taskpulse_queues"): constant(1),
    pod("a", "taskpulse_queue_paused_seconds", queue="print"): constant(90_000),
    pod("a", "taskpulse_queue_oldest_ready_seconds", queue="print"): constant(7_300),
    pod("a", "taskpulse_queue_ready_within_seconds", queue="print"): constant(7_200),
    exporter("kube_deployment_spec_replicas", deployment="taskpulse-api"): constant(2),
    exporter(
        "kube_pod_container_status_waiting_reason", pod="taskpulse-api-a", container="api", reason="CrashLoopBackOff"
    ): constant(1),
    exporter("kube_pod_container_status_restarts_total", pod="taskpulse-api-a", container="api"): counter(1 / 32),
    exporter("kube_pod_init_container_status_ready", pod="taskpulse-api-b", container="migrate"): constant(0),
    exporter("kube_horizontalpodautoscaler_status_current_replicas", **HPA): constant(6),
    exporter("kube_horizontalpodautoscaler_spec_max_replicas", **HPA): constant(6),
    exporter("kube_horizontalpodautoscaler_spec_min_replicas", **HPA): constant(2),
    exporter(
        "kube_horizontalpodautoscaler_status_condition", condition="ScalingLimited", status="true", **HPA
    ): constant(1),
    exporter("up", job="taskpulse-probe"): constant(1),
    exporter("probe_success", job="taskpulse-probe"): constant(0),
    exporter("probe_ssl_earliest_cert_expiry", job="taskpulse-probe"): constant(86_400),
    exporter("prometheus_operator_managed_resources", resource="AlertmanagerConfig", state="rejected"): constant(1),
}
"""Everything is wrong at once, so that every alert fires that a gap could end."""

ELSEWHERE = {
    "TaskPulseAbsent",
    "TaskPulseClusterMetricsAbsent",
    "TaskPulseProbeAbsent",
    "TaskPulseErrorBudgetBurn",
    "TaskPulseLatencyBudgetBurn",
}
"""Alerts that other tests ask: the first three fire because of a gap, and test_burn_rates.py asks the last ones."""
FIRES = {
    (alert, rule["labels"]["severity"])
    for alert, rules in objects.alerts().items()
    for rule in rules
    if alert not in ELSEWHERE
} - {("TaskPulseTargetDown", "critical")}
OF_FIGURES = {
    each
    for each in FIRES
    if each[0].startswith(("TaskPulseTask", "TaskPulseWorker", "TaskPulseAllWorkers", "TaskPulseQueue"))
}
OF_FIGURES.discard(("TaskPulseTasksFailed", "warning"))  # ends an hour after the last failure
OF_PODS = {
    ("TaskPulsePoolExhausted", "warning"),
    ("TaskPulseCrashLooping", "critical"),
    ("TaskPulseContainerRestarts", "warning"),
}


@dataclass(frozen=True)
class Gap:
    """Which series stop for how many steps of 15 s, and which alerts must go on."""

    name: str
    steps: int
    stops: frozenset[str]
    goes_on: frozenset[tuple[str, str]] = frozenset(FIRES)
    replaces: str = ""
    """The pod that a new one replaces: its series never come back."""
    up: float | None = 0

    def value(self, series: str, value: Value, step: int) -> float | None:
        if not BEGIN <= step < BEGIN + self.steps:
            return None if self.replaces and step >= BEGIN and f'-{self.replaces}"' in series else value(step)
        if series.startswith("up{") and is_from(series) == SERVICE:
            return self.up if SERVICE in self.stops else value(step)
        return None if is_from(series) in self.stops else value(step)


ALL_OF_POD = frozenset({SERVICE, FIGURES})
GAPS = [
    Gap("no pod answers for 30 s", 2, ALL_OF_POD),
    Gap("no pod answers for 5 min", 20, ALL_OF_POD),
    Gap("no pod is known for 5 min", 20, ALL_OF_POD, up=None),
    Gap("the numbers are not read for 30 s", 2, frozenset({FIGURES})),
    Gap("the numbers are not read for an hour", 240, frozenset({FIGURES}), frozenset(OF_FIGURES)),
    Gap("no pod answers for an hour", 240, ALL_OF_POD, frozenset(OF_FIGURES | {("TaskPulseDatabaseDown", "critical")})),
    Gap("the exporters are away for 30 s", 2, frozenset({EXPORTERS})),
    Gap("the exporters are away for 5 min", 20, frozenset({EXPORTERS})),
    Gap("a pod is replaced", 4, ALL_OF_POD, frozenset(FIRES - OF_PODS), replaces="a", up=None),
]


def samples(values: Iterable[float | None]) -> str:
    """Values as promtool takes them; the first one that is missing is Prometheus' mark that a series ended."""
    written: list[str] = []
    last: float | None = None
    for value in values:
        written.append(f"{value:g}" if value is not None else "_" if last is None else "stale")
        last = value
    return " ".join(written)


def series_with(gap: Gap, until: int) -> list[Object]:
    made = []
    for series, value in WORLD.items():
        made.append({"series": series, "values": samples(gap.value(series, value, step) for step in range(until))})
        if gap.replaces and f'-{gap.replaces}"' in series and is_from(series) != EXPORTERS:
            new = series.replace(f'-{gap.replaces}"', '-new"')
            begins = BEGIN + gap.steps
            values = samples(value(step) if step >= begins else None for step in range(until))
            made.append({"series": new, "values": values})
    return made


@pytest.mark.parametrize("gap", GAPS, ids=lambda gap: gap.name)
def test_an_alert_outlives_a_gap(gap: Gap, tmp_path: Path) -> None:
    """At each minute of the gap, and when the data are back."""
    until = BEGIN + gap.steps + 12
    moments = sorted({BEGIN - 1, *range(BEGIN, until, 1 if gap.steps < 40 else 20), until - 1})
    checks = [promtool.firing(f"{step * STEP_S}s", gap.goes_on, among=gap.goes_on) for step in moments]
    promtool.check(
        [{"interval": f"{STEP_S}s", "input_series": series_with(gap, until), "promql_expr_test": checks}],
        tmp_path,
        interval=f"{STEP_S}s",
    )


HELD = {
    "a day": (
        24 * 60,
        OF_FIGURES
        | {
            ("TaskPulseCertificateExpires", "critical"),
            ("TaskPulseCertificateExpires", "warning"),
            ("TaskPulseClusterMetricsAbsent", "warning"),
            ("TaskPulseDatabaseDown", "critical"),
            ("TaskPulseEventsLate", "warning"),
            ("TaskPulseProbeAbsent", "warning"),
        },
    ),
    "an hour": (
        60,
        {("TaskPulseAbsent", "critical"), ("TaskPulseTargetDown", "warning"), ("TaskPulseUnreachable", "critical")},
    ),
}
"""For how many minutes the last numbers hold, and the alerts that use them that long."""


@pytest.mark.parametrize("length", HELD)
def test_the_last_numbers_hold_for_so_long_and_no_longer(length: str, tmp_path: Path) -> None:
    minutes, alerts = HELD[length]
    series = [
        {"series": name, "values": samples([*(value(step) for step in range(BEGIN)), None])}
        for name, value in WORLD.items()
    ]
    last = (BEGIN - 1) * STEP_S // 60
    checks = [
        promtool.firing(f"{last + minutes - 6}m", alerts, among=alerts),
        promtool.firing(f"{last + minutes + 12}m", [], among=alerts),
    ]
    promtool.check(
        [{"interval": f"{STEP_S}s", "input_series": series, "promql_expr_test": checks}], tmp_path, interval="5m"
    )

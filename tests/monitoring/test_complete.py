"""Every alert has a test that fires it and one that does not, a runbook, a route and a panel; every metric exists."""

import re

import httpx
import pytest
import yaml

from app.dev.postgres import EmbeddedPostgres
from delivery import policy
from delivery.manifests import Render
from monitoring.local import configuration
from monitoring.local.shorter import DELAY, WAITS, shorten
from tests.monitoring import objects, table
from tests.support.service import Service, fresh_database
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("complete")  # they share a service

ALERTS = sorted(objects.alerts())
UNIT_TESTS = [test for file in objects.UNIT_TESTS for test in objects.alert_tests(file)]
HEADINGS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
SERIES_BUDGET = 1500
"""Samples of one pod after every route was called; the ServiceMonitor refuses twice as many."""


def test_there_are_alerts() -> None:
    assert len(ALERTS) == 26


@pytest.mark.parametrize("alert", ALERTS)
def test_every_rule_of_an_alert_fires_in_a_test(alert: str) -> None:
    fired = [each["exp_labels"] for test in UNIT_TESTS if test.alert == alert for each in test.expected]
    for rule in objects.alerts()[alert]:
        assert any(rule["labels"].items() <= labels.items() for labels in fired), rule["labels"]


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_is_silent_in_a_test(alert: str) -> None:
    assert [test for test in UNIT_TESTS if test.alert == alert and not test.expected]


@pytest.mark.parametrize("test", UNIT_TESTS, ids=lambda test: test.name)
def test_a_test_is_named_after_what_it_shows(test: objects.AlertTest) -> None:
    assert test.name.startswith(f"{test.alert} {'fires' if test.expected else 'is silent'}: ")


def test_every_scenario_asks_every_alert() -> None:
    asked: dict[str, set[str]] = {}
    for test in objects.alert_tests("scenarios.yaml"):
        assert not test.expected
        asked.setdefault(test.name, set()).add(test.alert)
    assert {"two pods", "no traffic", "just started", "first start"} == {name.partition(":")[0] for name in asked}
    assert all(alerts == set(ALERTS) for alerts in asked.values())


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_a_runbook(alert: str) -> None:
    text = (objects.FOLDER / "runbooks" / f"{alert}.md").read_text("utf-8")
    assert text.startswith(f"# {alert}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    sections = re.split(r"^## .+$", text, flags=re.MULTILINE)[1:]
    assert all(section.strip() for section in sections)
    for link in re.findall(r"\]\((\w+\.md)\)", text):
        assert (objects.FOLDER / "runbooks" / link).is_file(), link


def test_every_runbook_has_an_alert() -> None:
    assert sorted(path.stem for path in (objects.FOLDER / "runbooks").iterdir()) == ALERTS


@pytest.mark.parametrize("name", ["dev", "main"])
def test_an_alert_says_what_a_person_needs(name: str) -> None:
    settings = yaml.safe_load((objects.FOLDER.parent / "overlays" / name / "settings.yaml").read_text("utf-8"))
    for group in configuration.rules(objects.overlay(name))["groups"]:
        for rule in group["rules"]:
            if "alert" not in rule:
                continue
            assert rule["alert"].startswith("TaskPulse")
            assert rule["labels"]["severity"] in {"critical", "warning", "info"}
            about_work = {"board_url"} if rule["alert"] in objects.BOARD_VIEWS else set()
            assert rule["annotations"].keys() == {"summary", "description", "runbook_url", "dashboard_url", *about_work}
            assert re.fullmatch(r"[A-Z][^{}]+\.", rule["annotations"]["summary"])
            assert "{{" in rule["annotations"]["description"]
            assert rule["annotations"]["runbook_url"] == f"{settings['runbooks']}/{rule['alert']}.md"
            dashboard = rule["annotations"]["dashboard_url"].removeprefix(f"{settings['grafana']}/d/")
            assert dashboard in {each["uid"] for each in objects.dashboards().values()}


@pytest.mark.parametrize("name", ["dev", "main"])
def test_addresses_are_those_that_are_forwarded_by_default(name: str) -> None:
    """Links in messages lead where `make oncall` forwards to, until the settings say another place."""
    values = configuration.values(name)
    makefile = (objects.FOLDER.parent / "Makefile").read_text("utf-8")
    for service, url in (
        ("grafana", values["grafana"]["grafana.ini"]["server"]["root_url"]),
        ("prometheus", values["prometheus"]["prometheusSpec"]["externalUrl"]),
        ("alertmanager", values["alertmanager"]["alertmanagerSpec"]["externalUrl"]),
    ):
        assert url.startswith("http://localhost:")
        assert re.search(rf"svc/{values['fullnameOverride']}-{service} {url.rpartition(':')[2]}:", makefile)


def test_every_alert_aggregates_by_namespace() -> None:
    """An AlertmanagerConfig sees only alerts with its own namespace."""
    for rule in objects.rules():
        expression = rule["expr"]
        assert "absent(" not in expression
        for clause in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression):
            assert "namespace" in clause, expression
        recorded = re.match(r"[(\s]*((?:avg|last|sum)_over_time\()?namespace_\w+:", expression)
        assert recorded or "by (namespace" in expression, expression


def test_a_recording_rule_is_named_after_what_it_does() -> None:
    for rule in objects.rules():
        if "record" in rule:
            name = re.fullmatch(r"[a-z_]+:[a-z_]+:(max|count|(?:ratio_rate|increase)(\d+[mhd]))", rule["record"])
            assert name, rule["record"]
            if name[2]:
                assert set(re.findall(r"\[(\w+)(?::\w+)?\]", rule["expr"])) == {name[2]}


def test_gauges_of_the_database_are_never_summed() -> None:
    gauges = r"taskpulse_(?:tasks|leases|oldest|collector|queue)\w*"
    expressions = [rule["expr"] for rule in objects.rules()]
    expressions += [query for board in objects.dashboards().values() for _, query in objects.queries(board)]
    assert [each for each in expressions if re.search(gauges, each)]
    for expression in expressions:
        assert not re.search(rf"(sum|avg)[^(]*(\([^)]*\))? *\({gauges}", expression), expression


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_a_panel(alert: str) -> None:
    """Each metric of an alert is drawn, one of them at least on the dashboard that the alert links to."""
    drawn = {
        board["uid"]: {metric for _, query in objects.queries(board) for metric in objects.metrics(query)}
        for board in objects.dashboards().values()
    }
    for rule in objects.alerts()[alert]:
        asked = objects.sources(rule["expr"])
        assert asked <= set().union(*drawn.values())
        assert asked & drawn[rule["annotations"]["dashboard_url"].rpartition("/")[2]]


@pytest.fixture(scope="module")
def shown(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The metrics of a service that finds open, claimed and lost tasks when it starts, after every route was called."""
    log, settings = tmp_path_factory.mktemp("shown") / "log", fresh_database(postgres)
    with Service(settings, log) as first, client_of(first) as client:
        identity = client.post("/v1/tasks", json={"title": "Count me"}).raise_for_status().json()["id"]
        client.post("/v1/tasks", json={"title": "Do me"}).raise_for_status()
        client.post("/v1/tasks/claim", json={"worker": "worker-7", "ttl_s": 600}).raise_for_status()
        queue = {"paused": True, "max_leases": 1, "ready_within_s": 60}
        client.put("/v1/queues/print", json=queue).raise_for_status()
        lost = client.post("/v1/tasks", json={"title": "Lose me"}).raise_for_status().json()["id"]
        client.post(f"/v1/tasks/{lost}/claim", json={"worker": "worker-8", "ttl_s": 1}).raise_for_status()
    with Service(settings, log) as second, client_of(second) as client:
        for path in client.get("/openapi.json").json()["paths"]:
            for method in ("GET", "POST", "PATCH", "DELETE"):
                if "events" not in path:
                    client.request(method, path.replace("{task_id}", identity), json={"wrong": True})
        eventually(
            lambda: (
                second.metric("taskpulse_leases") is not None
                and second.metric("taskpulse_oldest_expired_lease_timestamp_seconds") is not None
                and second.metric("taskpulse_events_sent_up_to_timestamp_seconds") is not None
            )
        )
        return client.get("/metrics").raise_for_status().text


def client_of(service: Service) -> httpx.Client:
    return httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {service.key}"})


def test_every_metric_exists(shown: str) -> None:
    """What rules and dashboards ask for is shown by the service, recorded by a rule, or comes from a known exporter."""
    known = set(re.findall(r"^(\w+)(?:\{| )", shown, re.MULTILINE)) | objects.EXPORTERS.keys()
    known |= {rule["record"] for rule in objects.rules() if "record" in rule}
    asked = {metric for rule in objects.rules() for metric in objects.metrics(rule["expr"])}
    for board in objects.dashboards().values():
        asked |= {metric for _, query in objects.queries(board) for metric in objects.metrics(query)}
    assert asked <= known
    assert objects.EXPORTERS.keys() <= asked, "an exporter's metric that nobody asks for"


def test_every_label_value_exists(shown: str) -> None:
    """A value that a rule picks is one that the service shows: a misspelt one would never fire."""
    for rule in objects.rules():
        for metric, label, value in re.findall(r"(taskpulse_\w+)\{[^}]*?(state|status)=\"(\w+)\"", rule["expr"]):
            assert f'{metric}{{{label}="{value}"}}' in shown
    for label in ('le="0.25"', 'long_lived="false"', 'status_code="200"'):
        assert label in shown


def test_a_pod_stays_within_its_budget_of_series(shown: str) -> None:
    series = [line for line in shown.splitlines() if line and not line.startswith("#")]
    assert len(series) < SERIES_BUDGET, len(series)
    [monitor] = objects.overlay("main").of("ServiceMonitor")
    assert monitor["spec"]["sampleLimit"] == 2 * SERIES_BUDGET
    assert not [line for line in series if re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-7", line)], "an id is a label"


def test_shortening_changes_waiting_times_only() -> None:
    def without_waits(part: object) -> object:
        if isinstance(part, list):
            return [without_waits(each) for each in part]
        if isinstance(part, dict):
            return {key: without_waits(value) for key, value in part.items() if key not in WAITS}
        return (
            DELAY.sub(r"\1delay", re.sub(r"\[\d+[smhd](:\d+[smhd])?\]", "[window]", part))
            if isinstance(part, str)
            else part
        )

    render = objects.overlay("main")
    for whole in (
        configuration.rules(render),
        configuration.prometheus(render, "token", [8000], 9093),
        configuration.base("main"),
    ):
        shorter = shorten(whole, 30)
        assert shorter != whole
        assert without_waits(shorter) == without_waits(whole)


def test_shortening_divides_waiting_times() -> None:
    rule = {"for": "10m", "expr": "rate(x[1h]) + x[30m:2m] > 60", "labels": {"window": "1h"}}
    assert shorten(rule, 30) == {"for": "20s", "expr": "rate(x[120s]) + x[60s:4s] > 60", "labels": {"window": "1h"}}
    assert shorten({"group_wait": "10s", "interval": "0s"}, 30) == {"group_wait": "1s", "interval": "0s"}


def test_the_chart_takes_what_the_overlays_bring() -> None:
    """The defaults take only objects with the chart's own label, and AlertmanagerConfigs of everybody."""
    values = configuration.values("main")
    prometheus = values["prometheus"]["prometheusSpec"]
    assert prometheus["ruleSelectorNilUsesHelmValues"] is prometheus["serviceMonitorSelectorNilUsesHelmValues"] is False
    assert not {"ruleSelector", "serviceMonitorSelector"} & prometheus.keys()
    assert int(prometheus["retention"].removesuffix("d")) >= 30
    assert values["grafana"]["sidecar"]["dashboards"]["searchNamespace"] == "ALL"
    alertmanager = values["alertmanager"]["alertmanagerSpec"]
    assert alertmanager["alertmanagerConfigMatcherStrategy"] == {"type": "OnNamespace"}
    for name in ("dev", "main"):
        files = re.findall(r"'api_url_file': '([^']+)'", str(configuration.base(name)))
        assert files == [f"/etc/alertmanager/secrets/{alertmanager['secrets'][0]}/slack-webhook-url"]
    selector = values["alertmanager"]["alertmanagerSpec"]["alertmanagerConfigSelector"]["matchLabels"]
    for name in ("dev", "main"):
        [routes] = objects.overlay(name).of("AlertmanagerConfig")
        assert selector.items() <= routes["metadata"]["labels"].items()
    for part in ("kubeControllerManager", "kubeScheduler", "kubeEtcd", "kubeProxy", "coreDns"):
        assert values[part] == {"enabled": False}


def test_a_secret_that_nobody_makes_is_found() -> None:
    render = Render.parse("main", yaml.safe_dump_all(objects.overlay("main").objects))
    [monitor] = render.of("ServiceMonitor")
    monitor["spec"]["endpoints"][0]["authorization"]["credentials"]["name"] = "misspelt"
    assert "reads key token of Secret misspelt" in " ".join(finding.sentence for finding in policy.judge(render))


def test_the_table_of_alerts_is_up_to_date() -> None:
    """Make it anew with `make alerts`."""
    assert table.table() in (objects.FOLDER / "README.md").read_text("utf-8")

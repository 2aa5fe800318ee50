"""Who receives an alert, as a review says it, held against Alertmanager's own tool."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.chart import merge
from delivery.manifests import Object
from delivery.review.outcome import base_routes
from delivery.review.routing import children, of_cluster, of_overlay, reach
from delivery.tools.program import run
from tests.delivery.review.repository import files

RECEIVERS = ["a", "b", "c"]
LABEL = st.sampled_from(["severity", "namespace", "team"])
VALUE = st.sampled_from(["critical", "warning", "x", "xy", ""])
MATCHER = st.builds(
    "{}{}{}".format, LABEL, st.sampled_from(["=", " != ", "=~", " !~ "]), VALUE.map('"{}"'.format) | st.just("x.*|w.+")
)
LABELS = st.dictionaries(LABEL, VALUE.filter(bool), max_size=3)


def route(inner: st.SearchStrategy[Object] | None) -> st.SearchStrategy[Object]:
    return st.fixed_dictionaries(
        {"matchers": st.lists(MATCHER, max_size=2), "continue": st.booleans()},
        optional={
            "receiver": st.sampled_from(RECEIVERS),
            "match": st.dictionaries(LABEL, VALUE, max_size=1),
            "match_re": st.dictionaries(LABEL, st.just("x|crit.*"), max_size=1),
            **({"routes": st.lists(inner, max_size=3)} if inner is not None else {}),
        },
    )


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(route(route(route(None))), max_size=4), LABELS)
def test_routes_lead_where_alertmanager_says(routes: list[Object], labels: dict[str, str]) -> None:
    root = {"receiver": "a", "routes": routes}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "alertmanager.yaml"
        path.write_text(yaml.safe_dump({"route": root, "receivers": [{"name": name} for name in RECEIVERS]}))
        told = [f"{key}={value}" for key, value in labels.items()]
        answer = run("amtool", "config", "routes", "test", f"--config.file={path}", *told)
    assert answer.returncode == 0, answer.stderr
    assert (children(root, labels) or ["a"]) == answer.stdout.split("\n")[0].split(",")


BASE: Object = {
    "route": {"receiver": "nobody", "routes": [{"receiver": "team", "matchers": ["severity = critical"]}]},
    "receivers": [{"name": "nobody"}, {"name": "team", "slack_configs": [{"channel": "#team"}]}],
}


def config(**spec: Any) -> Object:
    """An AlertmanagerConfig whose route, by what is in `spec`, leads to a mailbox."""
    receivers = [{"name": "mail", "emailConfigs": [{"to": "us@example.com"}]}, {"name": "none"}]
    return {
        "kind": "AlertmanagerConfig",
        "metadata": {"name": "own", "namespace": "dev"},
        "spec": {"receivers": receivers, "route": {"receiver": "mail", **spec}},
    }


CRITICAL = {"severity": "critical", "namespace": "dev"}


@pytest.mark.parametrize(
    ("objects", "labels", "told"),
    [
        ([], CRITICAL, "Slack #team"),
        ([], {**CRITICAL, "severity": "info"}, "nobody"),
        ([config()], CRITICAL, "mail to us@example.com and Slack #team"),
        ([config()], {**CRITICAL, "namespace": "other"}, "Slack #team"),
        ([config(receiver="none")], CRITICAL, "Slack #team"),
        (
            [config(routes=[{"receiver": "none", "matchers": [{"name": "severity", "value": "critical"}]}])],
            CRITICAL,
            "Slack #team",
        ),
        (
            [config(receiver="none", routes=[{"receiver": "mail", "muteTimeIntervals": ["nights"]}])],
            CRITICAL,
            "mail to us@example.com (not during nights) and Slack #team",
        ),
        (
            [config(receiver="none", routes=[{"receiver": "mail", "activeTimeIntervals": ["days"]}])],
            CRITICAL,
            "mail to us@example.com (only during days) and Slack #team",
        ),
        (
            [
                config(
                    routes=[{"receiver": "none", "matchers": [{"name": "severity", "value": "crit.*", "regex": True}]}]
                )
            ],
            CRITICAL,
            "Slack #team",
        ),
        (
            [config(routes=[{"matchers": [{"name": "severity", "value": "critical"}]}])],
            CRITICAL,
            "mail to us@example.com and Slack #team",
        ),
        ([{**config(), "spec": {"receivers": [{"name": "mail"}]}}], CRITICAL, "Slack #team"),
        (
            [{**config(), "spec": {**config()["spec"], "receivers": [{"name": "mail", "emailConfigs": ["odd"]}]}}],
            CRITICAL,
            "mail to and Slack #team",
        ),
        ([{**config(), "spec": {"route": {"receiver": "mail"}}}], CRITICAL, "Slack #team"),
    ],
)
def test_whom_an_alert_reaches(objects: list[Object], labels: dict[str, str], told: str) -> None:
    assert reach(objects, BASE, labels) == told


def test_an_alert_that_differs_from_others_of_its_severity() -> None:
    metadata = {"name": "rules", "namespace": "dev"}
    rules = [{"alert": "Slow", "labels": {"severity": "warning"}}, {"alert": "Down", "labels": {"severity": "warning"}}]
    held = {"kind": "PrometheusRule", "metadata": metadata, "spec": {"groups": [{"rules": rules}]}}
    muted = config(routes=[{"receiver": "none", "matchers": [{"name": "alertname", "value": "Slow"}]}])
    assert of_overlay(([config(), held], BASE), ([muted, held], BASE)) == (
        "Alert Slow (warning) in namespace dev reaches nobody instead of mail to us@example.com.",
    )
    silent = config(receiver="none")
    assert of_overlay(([config(), held], BASE), ([silent, held], BASE)) == (
        "Alerts of severity critical in namespace dev reach Slack #team instead of mail to us@example.com and Slack"
        " #team.",
        "Alerts of severity warning in namespace dev reach nobody instead of mail to us@example.com.",
        "Alerts of severity info in namespace dev reach nobody instead of mail to us@example.com.",
    )


def test_what_the_cluster_is_told_of_no_more() -> None:
    assert of_cluster(BASE, BASE) == ()
    assert of_cluster(BASE, merge(BASE, {"route": {"routes": []}})) == (
        "Alerts of severity critical of the cluster itself reach nobody instead of Slack #team.",
    )
    assert of_cluster(BASE, {**BASE, "inhibit_rules": [{"target_matchers": ["severity = critical"]}]}) == (
        "It changes which alerts keep others silent (inhibit_rules).",
    )


def test_values_of_an_environment_come_on_top_as_with_helm(tmp_path: Path) -> None:
    texts = {
        "values.yaml": "alertmanager: {config: {route: {receiver: a, routes: [b]}, global: {x: y}}}\n",
        "values-dev.yaml": "alertmanager: {config: {route: {receiver: c}, global: null}}\n",
    }
    folder = files(tmp_path, {f"monitoring/chart/{name}": text for name, text in texts.items()})
    assert base_routes("chart-dev", folder) == {"route": {"receiver": "c", "routes": ["b"]}}

"""What the chart makes of our values. Where it cannot be had, these tests say so and are skipped."""

import base64
import configparser
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml

from delivery import chart, manifests
from delivery.checkout import ROOT
from delivery.manifests import Object
from delivery.tools import helm
from monitoring.local import configuration
from tests.monitoring import objects

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("chart")]

ENVIRONMENTS = pytest.mark.parametrize("name", ["dev", "main"])
GO_MOD = ROOT / "tools" / "monitoring" / "go.mod"
FREE = (
    "alertmanager.config",
    "alertmanager.alertmanagerSpec.storage",
    "extraManifests",
    "grafana.admin",  # the chart of Grafana has its own values
    "grafana.grafana.ini",
    "grafana.resources",
    "grafana.sidecar",
    "prometheus.prometheusSpec.additionalConfig",
    "prometheus.prometheusSpec.storageSpec",
)
"""Values whose content the chart hands on as it is: its own values do not have all keys."""
TOLD_OF = {
    "Watchdog",
    "InfoInhibitor",
    "TargetDown",
    "KubePodCrashLooping",
    "KubeHpaMaxedOut",
    "KubePersistentVolumeFillingUp",
    "NodeFilesystemSpaceFillingUp",
    "AlertmanagerFailedToSendAlerts",
    "PrometheusNotIngestingSamples",
    "KubeStateMetricsListErrors",
}
"""Alerts of the chart that the base configuration or its tests name."""


@pytest.fixture(scope="module", autouse=True)
def _reachable() -> None:
    source = chart.source(chart.pin(ROOT))
    if reason := chart.unreachable(ROOT, *source):
        pytest.skip(f"The chart {' '.join(source)} could not be had: {reason}")


@cache
def rendered(name: str) -> list[Object]:
    return [each for each in manifests.load_all(chart.render(name, ROOT)) if each]


def of(name: str, kind: str, part: str = "") -> Object:
    """The only object of a kind, with `part` in its name."""
    [found] = [each for each in rendered(name) if each["kind"] == kind and part in each["metadata"]["name"]]
    return found


@ENVIRONMENTS
def test_prometheus_takes_what_the_overlays_bring(name: str) -> None:
    spec = of(name, "Prometheus")["spec"]
    for kind in ("rule", "serviceMonitor", "probe"):
        assert spec[f"{kind}Selector"] == spec[f"{kind}NamespaceSelector"] == {}, kind
    assert int(spec["retention"].removesuffix("d")) > 30
    assert spec["rules"]["alert"] == {"forGracePeriod": "30s", "resendDelay": "2m"}
    assert spec["externalUrl"] == configuration.values(name)["prometheus"]["prometheusSpec"]["externalUrl"]


@ENVIRONMENTS
def test_alertmanager_takes_only_our_configuration(name: str) -> None:
    spec = of(name, "Alertmanager")["spec"]
    [routes] = objects.overlay(name).of("AlertmanagerConfig")
    assert spec["alertmanagerConfigSelector"]["matchLabels"].items() <= routes["metadata"]["labels"].items()
    assert spec["alertmanagerConfigNamespaceSelector"] == {}
    assert spec["alertmanagerConfigMatcherStrategy"] == {"type": "OnNamespace"}
    assert spec["secrets"] == ["taskpulse-alerting"]
    assert spec["externalUrl"] == configuration.values(name)["alertmanager"]["alertmanagerSpec"]["externalUrl"]


@ENVIRONMENTS
def test_the_base_configuration_arrives_as_it_is(name: str) -> None:
    [secret] = [each for each in rendered(name) if "alertmanager.yaml" in each.get("data", {})]
    assert yaml.safe_load(base64.b64decode(secret["data"]["alertmanager.yaml"])) == configuration.base(name)


@ENVIRONMENTS
def test_grafana_finds_the_dashboards_and_its_password(name: str) -> None:
    spec = of(name, "Deployment", "grafana")["spec"]["template"]["spec"]
    containers = {each["name"]: {env["name"]: env for env in each.get("env", [])} for each in spec["containers"]}
    sidecar = containers["grafana-sc-dashboard"]
    assert sidecar["NAMESPACE"]["value"] == "ALL"
    for board in (each for each in objects.overlay(name).of("ConfigMap") if "dashboard" in each["metadata"]["name"]):
        assert board["metadata"]["labels"][sidecar["LABEL"]["value"]] == sidecar["LABEL_VALUE"]["value"]
    for variable, key in (("USER", "admin-user"), ("PASSWORD", "admin-password")):
        reference = containers["grafana"][f"GF_SECURITY_ADMIN_{variable}"]["valueFrom"]["secretKeyRef"]
        assert reference == {"name": "taskpulse-grafana", "key": key}
    [configured] = [each for each in rendered(name) if "grafana.ini" in (each.get("data") or {})]
    ini = configparser.ConfigParser(interpolation=None)
    ini.read_string(configured["data"]["grafana.ini"])
    assert ini["server"]["root_url"] == configuration.values(name)["grafana"]["grafana.ini"]["server"]["root_url"]


def test_the_versions_that_are_tested_are_those_that_are_deployed() -> None:
    """Prometheus' module 0.314.0 is its version 3.14.0."""
    modules = dict(re.findall(r"github.com/prometheus/(\w+) v0\.(\S+)", GO_MOD.read_text("utf-8")))
    digits = modules["prometheus"]
    tested = {"Alertmanager": f"v0.{modules['alertmanager']}", "Prometheus": f"v{digits[0]}.{digits[1:]}"}
    for kind, version in tested.items():
        assert of("main", kind)["spec"]["image"].partition(":")[2].removesuffix("-distroless") == version


@ENVIRONMENTS
def test_gke_runs_some_parts_out_of_reach(name: str) -> None:
    monitors = {each["metadata"]["name"] for each in rendered(name) if each["kind"] == "ServiceMonitor"}
    assert not [each for each in monitors if each.endswith(("controller-manager", "scheduler", "etcd", "proxy", "dns"))]


@ENVIRONMENTS
def test_the_alerts_that_routes_name_exist(name: str) -> None:
    found = {
        rule.get("alert")
        for each in rendered(name)
        if each["kind"] == "PrometheusRule"
        for group in each["spec"]["groups"]
        for rule in group["rules"]
    }
    assert found >= TOLD_OF


@ENVIRONMENTS
def test_services_are_named_as_they_are_forwarded(name: str) -> None:
    services = {each["metadata"]["name"] for each in rendered(name) if each["kind"] == "Service"}
    assert services >= {"monitoring-grafana", "monitoring-prometheus", "monitoring-alertmanager"}


@ENVIRONMENTS
def test_every_value_is_one_that_the_chart_has(name: str) -> None:
    """It ships no schema, so Helm takes a misspelt key without a word."""
    known = yaml.safe_load(helm.output("show", "values", *chart.source(chart.pin(ROOT))))
    assert list(unknown(configuration.values(name), known)) == []


def unknown(ours: Object, known: Any, under: str = "") -> Iterator[str]:
    """Keys of ours, with dots between them, that the chart's values lack."""
    for key, value in ours.items():
        path = f"{under}{key}"
        if path in FREE or not known or not isinstance(known, dict):
            continue
        if key not in known:
            yield path
        elif isinstance(value, dict):
            yield from unknown(value, known[key], f"{path}.")

"""Addresses in an overlay's settings: what the monitoring chart gets of them, and what is refused or warned of."""

import shutil
from pathlib import Path

import pytest
import yaml

from delivery import addresses, chart
from delivery.checkout import ROOT
from delivery.errors import DeliveryError
from delivery.manifests import Object

NEEDED = {
    "slackChannel": "#there",
    "grafana": "https://grafana.corp.dev",
    "alertmanager": "https://alerts.corp.dev/am",
    "prometheus": "http://prometheus.corp.dev:9090",
    "watchdog": "https://hc-ping.com/0d1c",
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / chart.FOLDER, tmp_path / chart.FOLDER)
    return with_settings(tmp_path)


def with_settings(root: Path, **changed: object) -> Path:
    folder = root / "overlays" / "dev"
    folder.mkdir(parents=True, exist_ok=True)
    chosen = {key: value for key, value in {**NEEDED, **changed}.items() if value is not None}
    (folder / "settings.yaml").write_text(yaml.safe_dump(chosen), "utf-8")
    return root


def values(root: Path) -> Object:
    merged: Object = {}
    for each in chart.load_values(root, "dev").values():
        merged = chart.merge(merged, each)
    return merged


def test_each_address_arrives_where_it_is_used(checkout: Path) -> None:
    found = values(checkout)
    assert found["grafana"]["grafana.ini"]["server"]["root_url"] == NEEDED["grafana"]
    assert found["alertmanager"]["alertmanagerSpec"]["externalUrl"] == NEEDED["alertmanager"]
    assert found["prometheus"]["prometheusSpec"]["externalUrl"] == NEEDED["prometheus"]
    receivers = {each["name"]: each for each in found["alertmanager"]["config"]["receivers"]}
    assert receivers["watchdog"]["webhook_configs"] == [{"url": NEEDED["watchdog"], "send_resolved": False}]
    assert receivers["cluster"]["slack_configs"][0]["channel"] == NEEDED["slackChannel"]
    assert "${settings" not in str(found)


def test_what_the_values_want_and_the_settings_lack_is_named(checkout: Path) -> None:
    with_settings(checkout, watchdog=None)
    with pytest.raises(DeliveryError, match=r"want watchdog: give it in overlays/dev/settings\.yaml\.") as refused:
        chart.load_values(checkout, "dev")
    assert "Traceback" not in str(refused.value)


def test_a_tree_without_settings_keeps_its_values(checkout: Path) -> None:
    (checkout / "overlays" / "dev" / "settings.yaml").unlink()
    assert "${settings.watchdog}" in str(values(checkout))
    assert addresses.check(checkout, "dev") == []


def test_addresses_outside_say_nothing(checkout: Path) -> None:
    assert addresses.check(checkout, "dev") == []


@pytest.mark.parametrize("name", ["grafana", "alertmanager", "prometheus", "watchdog"])
@pytest.mark.parametrize(
    "address", ["", None, 8080, "corp.dev", "ftp://corp.dev", "https://", "https://a b.dev", "http://x:y"]
)
def test_what_is_no_address_is_refused(checkout: Path, name: str, address: object) -> None:
    with_settings(checkout, **{name: address})
    with pytest.raises(DeliveryError, match=f"overlays/dev/settings.yaml: {name} must be an address that begins with"):
        addresses.check(checkout, "dev")


@pytest.mark.parametrize("name", addresses.PAGES)
def test_a_slash_at_the_end_would_be_doubled_in_links(checkout: Path, name: str) -> None:
    with_settings(checkout, **{name: "https://corp.dev/"})
    with pytest.raises(DeliveryError, match=f"{name} must not end with a slash"):
        addresses.check(checkout, "dev")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("https://switch.example.com/ping/taskpulse", "is still the example"),
        ("https://hc.invalid/", "is still the example"),
        ("http://switch/ping", "is not outside the cluster"),
        ("http://switch.monitoring.svc:8000/ping", "is not outside the cluster"),
        ("http://switch.monitoring.svc.cluster.local/ping", "is not outside the cluster"),
        ("http://localhost:8000/ping", "is not outside the cluster"),
    ],
)
def test_a_watchdog_that_nobody_outside_hears_is_warned_of(checkout: Path, address: str, words: str) -> None:
    with_settings(checkout, watchdog=address)
    [warning] = addresses.check(checkout, "dev")
    assert words in warning
    assert address in warning
    assert "overlays/dev/settings.yaml" in warning


@pytest.mark.parametrize("overlay", ["dev", "main"])
def test_the_settings_of_this_repository_are_addresses(overlay: str) -> None:
    assert all("watchdog is still the example" in each for each in addresses.check(ROOT, overlay))

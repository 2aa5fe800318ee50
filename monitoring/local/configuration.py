"""What Prometheus and Alertmanager get to read, made from an overlay as it renders."""

import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from delivery import chart
from delivery.checkout import ROOT
from delivery.errors import DeliveryError
from delivery.manifests import Object, Render


def rules(render: Render) -> Object:
    """Return a rule file with every group of every PrometheusRule."""
    return {"groups": [group for each in render.of("PrometheusRule") for group in each["spec"]["groups"]]}


def base(overlay: str) -> Object:
    """Return the base configuration of Alertmanager, as the chart's values have it for an environment."""
    config: Object = values(overlay)["alertmanager"]["config"]
    return config


def values(overlay: str) -> Object:
    """Return the chart's values for an environment, as Helm merges them."""
    merged: Object = {}
    for each in chart.load_values(ROOT, overlay).values():
        merged = chart.merge(merged, each)
    return merged


def alert_flags() -> dict[str, str]:
    """Return Prometheus' options named `--rules.alert.*` with their values, as the chart's values set them."""
    alert = values("main")["prometheus"]["prometheusSpec"]["additionalConfig"]["rules"]["alert"]
    return {"for-grace-period": alert["forGracePeriod"], "resend-delay": alert["resendDelay"]}


def alertmanager(render: Render, base: Object, secrets: dict[str, str], folder: Path) -> Object:
    """Return the alertmanager.yaml that the operator makes; `secrets` is what the Secret taskpulse-alerting holds.

    Raises DeliveryError when the operator would reject the objects, or the tool was not built.
    """
    program = ROOT / ".tools" / "bin" / "alertmanager-config"
    if not program.exists():
        raise DeliveryError("alertmanager-config is not built yet: run `make monitoring` first.")
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "taskpulse-alerting", "namespace": render.namespace},
        "stringData": secrets,
    }
    (folder / "base.yaml").write_text(yaml.safe_dump(base), "utf-8")
    made = subprocess.run(
        [program, folder / "base.yaml"],
        input=yaml.safe_dump_all([*render.of("AlertmanagerConfig"), secret]),
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise DeliveryError(made.stderr.strip())
    result: Object = yaml.safe_load(made.stdout)
    return result


def prometheus(render: Render, token: str, targets: Iterable[int], alertmanager: int) -> Object:
    """Return a prometheus.yml that scrapes ports of loopback as the ServiceMonitor says, each as a pod of its own."""
    [monitor] = render.of("ServiceMonitor")
    [endpoint] = monitor["spec"]["endpoints"]
    labels = {"namespace": render.namespace, "service": "taskpulse-api"}
    scrape: dict[str, Any] = {
        "job_name": "taskpulse-api",
        "scrape_interval": endpoint["interval"],
        "scrape_timeout": endpoint["scrapeTimeout"],
        "metrics_path": endpoint["path"],
        "sample_limit": monitor["spec"]["sampleLimit"],
        "authorization": {"type": endpoint["authorization"]["type"], "credentials": token},
        "static_configs": [
            {"targets": [f"127.0.0.1:{port}"], "labels": {**labels, "pod": f"taskpulse-api-{number}"}}
            for number, port in enumerate(targets)
        ],
    }
    return {
        "global": {"evaluation_interval": "30s"},
        "rule_files": ["rules.yaml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}]},
        "scrape_configs": [scrape],
    }

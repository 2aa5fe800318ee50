"""`deploy --with-chart`: the monitoring chart comes after every refusal, and before anything of the service changes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from delivery.checkout import ROOT
from tests.delivery.deploy.project import Project
from tests.support.cluster.kubelet import GOOD

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("overlays")]

SECRETS = ("taskpulse-slack-webhook", "taskpulse-grafana-password", "taskpulse-smtp-password")


@pytest.fixture
def charted(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project whose overlay has values for a chart that stands in, and the secrets of both."""
    folder = project.folder / "monitoring" / "chart"
    pin = {"chart": str(ROOT / "tests" / "data" / "chart"), "version": "88.5.3"}
    (folder / "pin.yaml").write_text(yaml.safe_dump(pin))
    (folder / "values-dev.yaml").rename(folder / f"values-{project.overlay.name}.yaml")
    for name in SECRETS:
        (project.secrets / name).write_text("first")
    for home in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"):
        monkeypatch.setenv(home, str(tmp_path / home))
    project.commit()
    yield project
    project.cluster.remove_namespaces("monitoring")
    project.cluster.kubectl("delete", "crd", "probes.stand-in.example.com", "--ignore-not-found")


def monitoring(project: Project) -> dict[str, str]:
    """The version of each Secret and workload, by kind and name."""
    found = project.cluster.get("secrets,deployments,probes.stand-in.example.com", "--namespace=monitoring")["items"]
    return {f"{each['kind']}/{each['metadata']['name']}": each["metadata"]["resourceVersion"] for each in found}


def test_a_refused_older_commit_changes_nothing_of_the_monitoring(charted: Project) -> None:
    older = charted.head()
    charted.deployed(GOOD, "--with-chart")
    before = monitoring(charted)
    charted.commit()
    charted.deployed()
    (charted.secrets / SECRETS[0]).write_text("second")
    values = charted.folder / "monitoring" / "chart" / f"values-{charted.overlay.name}.yaml"
    values.write_text(values.read_text() + "\nregion: elsewhere\n")
    result = charted.deploy(GOOD, f"--commit={older}", "--with-chart")
    assert result.returncode == 1
    assert f"Error: Commit {older[:12]} is older than {charted.head()[:12]}, which runs" in result.stderr
    assert "==> Monitoring chart" not in result.stdout
    assert monitoring(charted) == before


def test_the_chart_and_its_secrets_come_before_the_release(charted: Project) -> None:
    result = charted.deploy(GOOD, "--with-chart")
    assert result.returncode == 0, result.stdout + result.stderr
    steps = [line.removeprefix("==> ").partition(":")[0] for line in result.stdout.splitlines() if line[:3] == "==>"]
    assert steps[2:6] == ["Plan", "Monitoring chart", "Release 1", "Apply"]
    assert "Deployment/monitoring-grafana" in monitoring(charted)
    assert "Secret/taskpulse-grafana" in monitoring(charted)


def test_an_overlay_without_values_for_the_chart_is_refused_first(project: Project) -> None:
    result = project.deploy(GOOD, "--with-chart")
    assert result.returncode == 2
    assert f"Error: --with-chart: the chart has values for dev, main, not for {project.overlay.name}." in result.stderr
    assert project.cluster.run("get", "namespace", project.namespace).returncode == 1


def test_a_chart_without_a_digest_is_refused_first(project: Project) -> None:
    folder = project.folder / "monitoring" / "chart"
    pin = {"chart": "oci://registry.example/charts/stack", "version": "88.5.3"}
    (folder / "pin.yaml").write_text(yaml.safe_dump(pin))
    (folder / "values-dev.yaml").rename(folder / f"values-{project.overlay.name}.yaml")
    project.commit()
    result = project.deploy(GOOD, "--with-chart")
    assert result.returncode == 1
    assert "pin.yaml names the chart by its version, which can be pushed again" in result.stderr
    assert "==> Plan" not in result.stdout

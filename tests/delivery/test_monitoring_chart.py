"""`python -m delivery monitoring-chart`: real Helm and kubectl, a real control plane, a chart that stands in."""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from delivery import chart
from delivery.chart import NAMESPACE
from delivery.checkout import ROOT
from delivery.cli import main
from delivery.deploy import chart_release
from delivery.tools import helm, program
from tests.support.cluster.controlplane import BINARIES, Cluster, wait

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("overlays")]

# the command in a process group of its own, with the chart that stands in
KILLED = """
import pathlib
from delivery import chart, cli
chart.PIN = pathlib.Path('{pin}')
cli.main()
"""
DEFINITION = "probes.stand-in.example.com"
DEPLOYER = "taskpulse-deployer@example.iam.gserviceaccount.com"
DEVELOPER = [
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "developer"},
        "rules": [
            {"apiGroups": [group], "resources": ["*"], "verbs": ["*"]}
            for group in (
                "",
                "apps",
                "apiextensions.k8s.io",
                "coordination.k8s.io",
                "networking.k8s.io",
                "stand-in.example.com",
            )
        ],
    }
]
"""What container.developer grants of what an install needs: neither RBAC nor webhook configurations."""


@pytest.fixture
def stand_in(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the chart, pinned in the place of the real one, and a cluster in which it was never installed."""
    folder = shutil.copytree(ROOT / "tests" / "data" / "chart", tmp_path / "chart")
    pin = tmp_path / "pin.yaml"
    pin.write_text(yaml.safe_dump({"chart": str(folder), "version": "88.5.3"}))
    monkeypatch.setattr(chart, "PIN", pin)
    monkeypatch.setattr(chart_release, "TIMEOUT", "60s")
    monkeypatch.setenv("DB_USER", "taskpulse")
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    monkeypatch.setenv("PATH", str(BINARIES), prepend=":")
    for home in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"):
        monkeypatch.setenv(home, str(tmp_path / home))
    yield folder
    cluster.remove_namespaces(NAMESPACE)
    cluster.kubectl("delete", "crd", DEFINITION, "--ignore-not-found")


@pytest.fixture
def deployer(
    cluster: Cluster,
    stand_in: Path,  # which sets KUBECONFIG first
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:
    """Install as the deployer: with its role, and with what stands in for the IAM role container.developer."""
    config = json.loads(cluster.kubeconfig.read_text())
    config["users"][0]["user"]["as"] = DEPLOYER
    (tmp_path / "deployer.kubeconfig").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "deployer.kubeconfig"))
    cluster.kubectl("apply", "--filename", ROOT / "monitoring" / "chart" / "deployer.yaml")
    cluster.kubectl("apply", "--filename=-", stdin=yaml.safe_dump_all(DEVELOPER))
    for role in ("taskpulse-deployer", "developer"):
        cluster.kubectl("create", "clusterrolebinding", role, f"--clusterrole={role}", f"--user={DEPLOYER}")
    yield
    names = ("taskpulse-deployer", "developer", "monitoring-operator")
    cluster.kubectl("delete", "--ignore-not-found", "clusterrole,clusterrolebinding", *names)
    cluster.kubectl("delete", "--ignore-not-found", "validatingwebhookconfiguration", "monitoring-admission")


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """The folder that fetch-secrets makes."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name in yaml.safe_load((ROOT / "terraform" / "secrets.yaml").read_text()):
        (folder / name).write_text(f"value of {name}")
    return folder


def install(secrets: Path) -> Result:
    return CliRunner().invoke(main, ["monitoring-chart", "dev", "--secrets", str(secrets)])


@pytest.mark.usefixtures("stand_in")
def test_it_works(cluster: Cluster, secrets: Path) -> None:
    result = install(secrets)
    assert result.exit_code == 0, result.output
    grafana = cluster.get("deployment", "monitoring-grafana", "--namespace=monitoring")
    assert grafana["status"]["readyReplicas"] == 1
    assert grafana["spec"]["template"]["metadata"]["annotations"]["channel"] == "#taskpulse-dev-alerts"
    assert cluster.get(DEFINITION, "monitoring", "--namespace=monitoring")["spec"] == {"first": "35d"}
    labels = cluster.get("namespace", "monitoring")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/warn"] == "baseline"
    assert "Warning: overlays/dev/settings.yaml: watchdog is still the example" in result.output
    policies = cluster.get("networkpolicies", "--namespace=monitoring")["items"]
    assert [each["metadata"]["name"] for each in policies] == ["own-pods-only", "webhook"]


@pytest.mark.usefixtures("stand_in")
def test_its_pods_find_their_secrets_and_nothing_prints_them(cluster: Cluster, secrets: Path) -> None:
    output = install(secrets).output
    live = cluster.get("secrets", "--namespace=monitoring")["items"]
    found = {each["metadata"]["name"]: each["data"] for each in live}
    assert {key: base64.b64decode(value) for key, value in found["taskpulse-grafana"].items()} == {
        "admin-user": b"admin",
        "admin-password": b"value of taskpulse-grafana-password",
    }
    assert base64.b64decode(found["taskpulse-alerting"]["slack-webhook-url"]) == b"value of taskpulse-slack-webhook"
    assert "value of" not in output


def test_definitions_are_brought_up_to_date_before_what_needs_them(
    cluster: Cluster, stand_in: Path, secrets: Path
) -> None:
    assert install(secrets).exit_code == 0
    definition = stand_in / "charts" / "definitions" / "crds" / "probe.yaml"
    definition.write_text(definition.read_text().replace("first:", "second: {type: string}\n                first:"))
    probe = stand_in / "templates" / "probe.yaml"
    probe.write_text(probe.read_text() + "  second: new\n")
    result = install(secrets)
    assert result.exit_code == 0, result.output
    assert cluster.get(DEFINITION, "monitoring", "--namespace=monitoring")["spec"] == {"first": "35d", "second": "new"}


def test_a_release_that_does_not_become_ready_is_put_back(
    cluster: Cluster, stand_in: Path, secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert install(secrets).exit_code == 0
    values = stand_in / "values.yaml"
    values.write_text("region: nowhere\n")
    monkeypatch.setattr(chart_release, "TIMEOUT", "15s")
    result = install(secrets)
    assert result.exit_code == 1
    assert "helm upgrade failed: " in result.output
    grafana = cluster.get("deployment", "monitoring-grafana", "--namespace=monitoring")
    assert grafana["spec"]["template"]["spec"]["nodeSelector"] == {"topology.kubernetes.io/region": "region"}


@pytest.mark.parametrize("status", ["pending-install", "pending-upgrade"])
def test_a_run_that_was_killed_does_not_stop_the_next(
    cluster: Cluster, stand_in: Path, secrets: Path, status: str
) -> None:
    if status == "pending-upgrade":
        assert install(secrets).exit_code == 0
    values = stand_in / "values.yaml"
    values.write_text("region: nowhere\n")  # never ready, so that there is a moment to kill it in
    command = [sys.executable, "-c", KILLED.format(pin=chart.PIN), "monitoring-chart", "dev", f"--secrets={secrets}"]
    with subprocess.Popen(command, cwd=ROOT, process_group=0, stdout=subprocess.DEVNULL) as process:
        selector = ("secrets", "--namespace=monitoring", f"--selector=owner=helm,status={status}", "--output=name")
        wait(cluster.kubeconfig.parent, "Helm", lambda: cluster.run("get", *selector).stdout != "")
        os.killpg(process.pid, signal.SIGKILL)
    values.write_text("{}")
    result = install(secrets)
    assert result.exit_code == 0, result.output
    assert f"left the release {status}" in result.output
    assert cluster.get("deployment", "monitoring-grafana", "--namespace=monitoring")["status"]["readyReplicas"] == 1


@pytest.mark.usefixtures("stand_in")
def test_what_is_installed_already_is_left_alone_until_its_inputs_change(
    cluster: Cluster, secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert install(secrets).exit_code == 0
    again = install(secrets)
    assert (again.exit_code, revision(cluster)) == (0, 1)
    assert "it is installed with the same values already" in again.output
    values = chart.load_values(ROOT, "main")
    monkeypatch.setattr(chart, "load_values", lambda *_: values)
    assert install(secrets).exit_code == 0
    assert revision(cluster) == 2


@pytest.mark.usefixtures("stand_in")
def test_what_others_upgraded_by_hand_is_brought_again(cluster: Cluster, secrets: Path) -> None:
    assert install(secrets).exit_code == 0
    helm.output("upgrade", "monitoring", chart.pin(ROOT)["chart"], "--namespace=monitoring", "--reuse-values")
    assert install(secrets).exit_code == 0
    assert revision(cluster) == 3


def revision(cluster: Cluster) -> int:
    found = cluster.get("secrets", "--namespace=monitoring", "--selector=owner=helm")["items"]
    return max(int(each["metadata"]["labels"]["version"]) for each in found)


def test_a_run_of_somebody_else_is_waited_for_and_never_taken_back(
    cluster: Cluster, stand_in: Path, secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert install(secrets).exit_code == 0
    (stand_in / "values.yaml").write_text("region: nowhere\n")  # never ready, so that it lasts
    command = [program.find("helm"), "upgrade", "monitoring", str(stand_in), "--namespace=monitoring", "--wait"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as theirs:
        selector = (
            "secrets",
            "--namespace=monitoring",
            "--selector=owner=helm,status=pending-upgrade",
            "--output=name",
        )
        wait(cluster.kubeconfig.parent, "Helm", lambda: cluster.run("get", *selector).stdout != "")
        monkeypatch.setattr(chart_release, "PENDING_S", 0)
        result = install(secrets)
        assert result.exit_code == 1
        assert "Somebody else's Helm has left the release monitoring pending-upgrade" in result.output
        assert cluster.run("get", *selector).stdout != ""
        theirs.kill()


@pytest.mark.usefixtures("deployer")
def test_the_deployer_may_install_the_chart_and_its_roles(cluster: Cluster, secrets: Path) -> None:
    result = install(secrets)
    assert result.exit_code == 0, result.output
    role = cluster.get("clusterrole", "monitoring-operator")
    assert role["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
    assert cluster.get("validatingwebhookconfiguration", "monitoring-admission")["metadata"]["name"]
    mine = (f"--user={DEPLOYER}", f"--as={DEPLOYER}")
    administrator = cluster.run("create", "clusterrolebinding", "mine", "--clusterrole=cluster-admin", *mine)
    assert "attempting to grant RBAC permissions not currently held" in administrator.stderr


@pytest.mark.usefixtures("deployer")
def test_a_chart_that_grants_more_than_the_deployer_holds_is_refused(
    cluster: Cluster, stand_in: Path, secrets: Path
) -> None:
    (stand_in / "values.yaml").write_text("wants: '*'\n")
    result = install(secrets)
    assert result.exit_code == 1
    assert "attempting to grant RBAC permissions not currently held" in result.output
    assert cluster.run("get", "clusterrole", "monitoring-operator").returncode != 0

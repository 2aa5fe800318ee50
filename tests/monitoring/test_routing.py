"""Where an alert goes: the configuration that the operator makes, asked by Alertmanager's own tool."""

from pathlib import Path

import pytest
import yaml

from delivery.errors import DeliveryError
from delivery.manifests import Object
from delivery.tools.program import run
from monitoring.local import configuration
from tests.monitoring import objects

pytestmark = pytest.mark.slow

SECRETS = {"slack-webhook-url": "https://hooks.slack.com/services/T/B/x", "smtp-password": "a password"}
NAMESPACES = {"dev": "taskpulse-dev", "main": "taskpulse"}
ENVIRONMENTS = pytest.mark.parametrize("name", NAMESPACES)


def configured(name: str, folder: Path, secrets: dict[str, str]) -> Object:
    return configuration.alertmanager(objects.overlay(name), configuration.base(name), secrets, folder)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The whole alertmanager.yaml of each environment."""
    folder = tmp_path_factory.mktemp("routes")
    for name in NAMESPACES:
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(configured(name, folder, SECRETS)), "utf-8")
    return {name: folder / f"{name}.yaml" for name in NAMESPACES}


@ENVIRONMENTS
def test_alertmanager_takes_the_configuration(name: str, files: dict[str, Path]) -> None:
    checked = run("amtool", "check-config", files[name])
    assert checked.returncode == 0, checked.stdout + checked.stderr


@ENVIRONMENTS
@pytest.mark.parametrize(
    ("severity", "alert", "namespace", "receivers"),
    [
        ("critical", "TaskPulseDatabaseDown", "own", "taskpulse/critical"),
        ("warning", "TaskPulseTasksOverdue", "own", "taskpulse/warning"),
        ("info", "TaskPulseAnything", "own", "taskpulse/nobody"),
        ("warning", "KubePodCrashLooping", "own", "taskpulse/nobody"),
        ("warning", "KubeDeploymentReplicasMismatch", "own", "taskpulse/nobody,cluster"),
        ("critical", "KubeDeploymentReplicasMismatch", "own", "taskpulse/nobody,cluster"),
        ("warning", "TargetDown", "kube-system", "cluster"),
        ("warning", "PrometheusNotIngestingSamples", "monitoring", "cluster"),
        ("critical", "KubePodCrashLooping", "kube-system", "cluster"),
        ("critical", "TaskPulseMonitoringRejected", "monitoring", "cluster"),
        ("warning", "KubePodNotReady", "kube-system", "nobody"),
        ("critical", "TaskPulseDatabaseDown", "taskpulse-other", "nobody"),
        ("none", "Watchdog", "monitoring", "watchdog"),
    ],
)
def test_an_alert_goes_where_it_should(
    *, name: str, severity: str, alert: str, namespace: str, receivers: str, files: dict[str, Path]
) -> None:
    own = NAMESPACES[name]
    expected = f"{own}/{receivers}" if "/" in receivers else receivers
    labels = [f"severity={severity}", f"alertname={alert}", f"namespace={own if namespace == 'own' else namespace}"]
    routed = run(
        "amtool", "config", "routes", "test", f"--config.file={files[name]}", f"--verify.receivers={expected}", *labels
    )
    assert routed.returncode == 0, routed.stdout + routed.stderr


@ENVIRONMENTS
def test_what_a_receiver_does(name: str, files: dict[str, Path]) -> None:
    """Slack for both severities, mail for critical ones of main, nothing for the rest; the end of an alert is told."""
    own = NAMESPACES[name]
    receivers = {each["name"]: each for each in yaml.safe_load(files[name].read_text("utf-8"))["receivers"]}
    channel = {"dev": "#taskpulse-dev-alerts", "main": "#taskpulse-alerts"}[name]
    mailed = [each for each, receiver in receivers.items() if "email_configs" in receiver]
    assert mailed == ([f"{own}/taskpulse/critical"] if name == "main" else [])
    for severity in ("critical", "warning"):
        [slack] = receivers[f"{own}/taskpulse/{severity}"]["slack_configs"]
        assert slack["channel"] == channel
        assert slack["send_resolved"] is True
        assert slack["api_url"] == SECRETS["slack-webhook-url"]
    for mail in receivers[f"{own}/taskpulse/critical"].get("email_configs", []):
        assert (mail["to"], mail["send_resolved"]) == ("oncall@example.com", True)
        assert mail.get("require_tls", True)
    assert receivers["nobody"].keys() == receivers[f"{own}/taskpulse/nobody"].keys() == {"name"}
    assert receivers["cluster"]["slack_configs"][0]["channel"] == channel


@ENVIRONMENTS
def test_an_inhibition_stays_in_its_namespace(name: str, files: dict[str, Path]) -> None:
    rules = yaml.safe_load(files[name].read_text("utf-8"))["inhibit_rules"]
    own = [rule for rule in rules if any("TaskPulse" in matcher for matcher in rule.get("source_matchers", []))]
    assert own
    for rule in own:
        for matchers in (rule["source_matchers"], rule["target_matchers"]):
            assert f'namespace="{NAMESPACES[name]}"' in matchers


@pytest.mark.parametrize("key", SECRETS)
def test_the_operator_refuses_without_a_secret(key: str, tmp_path: Path) -> None:
    """This drops the whole AlertmanagerConfig in a cluster; TaskPulseMonitoringRejected tells of it."""
    secrets = {name: value for name, value in SECRETS.items() if name != key}
    with pytest.raises(DeliveryError, match=key):
        configured("main", tmp_path, secrets)

"""What kubectl says that is not the last word, and what is said where it has no cluster to ask."""

import json
import time
from pathlib import Path

import pytest

from delivery.deploy.lock import LostLockError
from delivery.errors import DeliveryError
from delivery.manifests import Object
from delivery.tools import kubectl
from tests.support.cluster.controlplane import BINARIES, Cluster, wait

pytestmark = pytest.mark.slow

DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: news.example.com}
spec:
  group: example.com
  scope: Cluster
  names: {kind: New, plural: news}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
"""
# kubectl, but its first `wait` meets a definition that the API server has not judged yet, as on a busy machine
TOO_EARLY = """#!/bin/sh
case "$*" in
*" wait "*)
    if mkdir "{folder}/asked" 2>/dev/null; then
        echo "error: .status.conditions accessor error: <nil> is of the type <nil>, expected []interface{{}}" >&2
        exit 1
    fi ;;
esac
exec {kubectl} "$@"
"""
REFUSED = """#!/bin/sh
echo asked >> "{folder}/asked"
echo "dial tcp 192.0.2.1:443: connect: connection refused" >&2
exit 1
"""
BINARY = "#!/bin/sh\nprintf 'caf\\351\\n'\n"
HOOK = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingWebhookConfiguration",
    "metadata": {"name": "away"},
    "webhooks": [
        {
            "name": "away.example.com",
            "clientConfig": {"url": "https://127.0.0.1:9/"},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}],
            "objectSelector": {"matchLabels": {"hook": "away"}},
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
    ],
}
HOOKED: Object = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "hooked", "namespace": "default", "labels": {"hook": "away"}},
}


SENTENCE = "The API server does not accept your credentials; they may have expired"


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a program in kubectl's place."""
    program = folder / "kubectl"
    program.write_text(script.format(folder=folder, kubectl=BINARIES / "kubectl"))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_a_definition_that_is_not_judged_yet_is_waited_for(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, TOO_EARLY)
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    try:
        kubectl.establish(DEFINITION)
        assert (tmp_path / "asked").exists()
        assert kubectl.get("news") == []
    finally:
        cluster.kubectl("delete", "crd", "news.example.com", "--ignore-not-found")


def test_a_definition_that_is_refused_is_not_waited_for(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(BINARIES), prepend=":")
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    with pytest.raises(kubectl.KubectlError, match=r"spec\.scope"):
        kubectl.establish(DEFINITION.replace("Cluster", "World"))


def test_without_a_context_nothing_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(BINARIES))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    monkeypatch.setenv("HOME", str(tmp_path))
    began = time.monotonic()
    with pytest.raises(DeliveryError, match="kubectl has no current context, so there is no cluster to ask"):
        kubectl.get("namespace", "taskpulse")
    assert time.monotonic() - began < kubectl.AWAY_S / 2


def test_credentials_that_have_expired_are_told_in_a_sentence(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = json.loads(cluster.kubeconfig.read_text())
    config["users"][0]["user"]["token"] = "expired"
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    monkeypatch.setenv("PATH", str(BINARIES), prepend=":")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.setattr(kubectl, "NO_CREDENTIALS_S", 0)
    with pytest.raises(kubectl.UnreachableError, match=SENTENCE):
        kubectl.get("pods")
    with pytest.raises(kubectl.UnreachableError, match=SENTENCE):
        kubectl.find([HOOKED])
    with pytest.raises(kubectl.UnreachableError, match=SENTENCE):
        kubectl.apply([HOOKED, HOOKED])


def test_a_change_is_not_tried_again_once_the_lock_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, REFUSED)

    def check() -> None:
        if (tmp_path / "asked").exists():
            raise LostLockError("The lock was lost.")

    with pytest.raises(LostLockError):
        kubectl.apply([HOOKED], check=check)
    assert (tmp_path / "asked").read_text() == "asked\n"


def test_a_webhook_that_is_away_is_no_api_server_that_is(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubectl, "AWAY_S", 2)
    monkeypatch.setenv("PATH", str(BINARIES), prepend=":")
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    cluster.kubectl("create", "--filename=-", stdin=json.dumps(HOOK))
    try:
        apply = ("apply", "--dry-run=server", "--filename=-")
        wait(tmp_path, "the webhook", lambda: cluster.run(*apply, stdin=json.dumps(HOOKED)).returncode != 0)
        with pytest.raises(kubectl.KubectlError, match=r'failed calling webhook "away\.example\.com"'):
            kubectl.apply([HOOKED], dry_run=True)
    finally:
        cluster.kubectl("delete", "validatingwebhookconfiguration", "away")


def test_what_is_no_utf8_is_read_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, BINARY)
    assert kubectl.once("logs", "pod").stdout == "caf\N{REPLACEMENT CHARACTER}\n"
    assert kubectl.raw("/", 5).stdout == "caf\N{REPLACEMENT CHARACTER}\n"

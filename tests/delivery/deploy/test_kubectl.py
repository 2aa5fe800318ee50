"""What kubectl says that is not the last word, and what is said where it has no cluster to ask."""

import time
from pathlib import Path

import pytest

from delivery.deploy import kubectl
from delivery.errors import DeliveryError
from tests.cluster.controlplane import BINARIES, Cluster

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


def test_a_definition_that_is_not_judged_yet_is_waited_for(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "kubectl"
    program.write_text(TOO_EARLY.format(folder=tmp_path, kubectl=BINARIES / "kubectl"))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
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

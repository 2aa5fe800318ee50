"""What is said where kubectl has no cluster to ask."""

import time
from pathlib import Path

import pytest

from delivery.deploy import kubectl
from delivery.errors import DeliveryError
from tests.cluster.controlplane import BINARIES

pytestmark = pytest.mark.slow


def test_without_a_context_nothing_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(BINARIES))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    monkeypatch.setenv("HOME", str(tmp_path))
    began = time.monotonic()
    with pytest.raises(DeliveryError, match="kubectl has no current context, so there is no cluster to ask"):
        kubectl.get("namespace", "taskpulse")
    assert time.monotonic() - began < kubectl.AWAY_S / 2

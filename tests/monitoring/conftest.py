"""An Alertmanager for each test that asks for one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.monitoring.alerting import Alerting, alerting


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Alerting]:
    """An Alertmanager of the test's own: what it has told of an alert decides what it tells of it later."""
    with alerting(tmp_path) as running:
        yield running

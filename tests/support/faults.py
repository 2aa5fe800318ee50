"""The rows of the fault table as parameters of tests."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

TABLE: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    (Path(__file__).parents[1] / "app/client/faults.yaml").read_text()
)
RESULTS = {"task", "exit", "left", "said", "quick"}


def rows(part: str, command: str) -> Sequence[Any]:
    """Return the rows of a part that are about a command; all but those marked quick are slow."""
    return [
        pytest.param(
            row,
            id=" ".join(str(value) for name, value in row.items() if name not in RESULTS),
            marks=[] if row.get("quick") else [pytest.mark.slow],
        )
        for row in TABLE[part]
        if row["command"] == command
    ]

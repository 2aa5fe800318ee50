"""Writings that the API server stores as the same object, and others that look like it; they are in stored.yaml."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery.chart import merge
from delivery.manifests import Object
from delivery.review.compare import Side, compare
from delivery.review.trees import Rendered
from tests.delivery.review.test_dangers import named

CASES = yaml.safe_load(Path(__file__).with_name("stored.yaml").read_text("utf-8"))


def written(case: Any, side: str) -> Object:
    return named(merge({"kind": case["kind"], "metadata": {"name": "it"}}, merge(case.get("kept", {}), case[side])))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_it_is_known(case: Any) -> None:
    before, after = (Side(Rendered(yaml.safe_dump(written(case, side))), {}) for side in ("before", "after"))
    [change] = compare("dev", before, after).review.changes
    assert (change.verb == "rewritten") is case["same"]

"""Each warning of dangers.yaml, with what is near to it and none."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery.manifests import Object
from delivery.review.compare import Side, compare
from delivery.review.run import merge
from delivery.review.trees import Rendered

CASES = yaml.safe_load(Path(__file__).with_name("dangers.yaml").read_text("utf-8"))


def side(case: Any, name: str) -> Side:
    if name not in case:
        return Side(Rendered(), {})
    fields: Object = {"apiVersion": "v1", "kind": case["kind"], "metadata": {"name": "it"}}
    return Side(Rendered(yaml.safe_dump(merge(merge(fields, case.get("kept", {})), case[name]))), {})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_it_is_told(case: Any) -> None:
    review = compare("dev", side(case, "before"), side(case, "after")).review
    assert len(review.changes) == 1
    assert [danger.sentence for _, danger in review.dangers] == case["told"]

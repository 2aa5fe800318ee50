"""Each rule holds against more than the one invalid manifest that it is named after."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery import policy
from delivery.kustomizations import overlays
from delivery.manifests import Object, Render, identity
from delivery.render import render

FAULTS = yaml.safe_load((Path(__file__).parent / "faults.yaml").read_text())


@pytest.fixture(scope="module")
def renders() -> dict[str, Render]:
    return {overlay: Render.parse(overlay, render(overlay)) for overlay in overlays()}


@pytest.mark.parametrize("fault", FAULTS, ids=[f"{fault['rule']}-{index}" for index, fault in enumerate(FAULTS)])
def test_it_is_refused_by_its_rule_alone(fault: dict[str, Any], renders: dict[str, Render]) -> None:
    objects = deepcopy(renders[fault["overlay"]].objects)
    [spoiled] = [each for each in objects if identity(each) == fault["object"]]
    if "fields" not in fault:
        objects.remove(spoiled)
    for path, value in fault.get("fields", {}).items():
        put(spoiled, path.split("."), value)
    findings = policy.judge(Render(fault["overlay"], objects))
    assert {finding.check for finding in findings} == {fault["rule"]}, findings


def put(each: Object | list[Any], path: list[str], value: object) -> None:
    """Set what is at `path`, where a number is a place in a list (one past its end appends); None removes."""
    step: Any = int(path[0]) if isinstance(each, list) else path[0]
    if path[1:]:
        put(each[step], path[1:], value)
    elif value is None:
        del each[step]
    elif isinstance(each, list) and step == len(each):
        each.append(value)
    else:
        each[step] = value

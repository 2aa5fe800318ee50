"""The two overlays as they render: both valid, and different only where overlays/README.md says so."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from delivery.checkout import ROOT, overlays
from delivery.objects import Render, identity
from delivery.render import render

README = ROOT / "overlays" / "README.md"


@pytest.fixture(scope="module")
def renders() -> dict[str, Render]:
    return {overlay: Render.parse(overlay, render(overlay)) for overlay in overlays()}


def test_there_are_two_overlays() -> None:
    assert overlays() == ["dev", "main"]


def test_the_same_sources_render_to_the_same_text() -> None:
    assert render("main") == render("main")


@pytest.mark.parametrize("overlay", ["dev", "main"])
def test_every_object_says_what_it_belongs_to(renders: dict[str, Render], overlay: str) -> None:
    for each in renders[overlay].objects:
        assert each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "taskpulse", identity(each)


@pytest.mark.parametrize("overlay", ["dev", "main"])
def test_the_image_is_left_to_the_deploy(renders: dict[str, Render], overlay: str) -> None:
    assert [container["image"] for _, _, container in renders[overlay].containers()] == ["taskpulse-api"] * 2


def test_settings_are_not_sent_to_the_cluster(renders: dict[str, Render]) -> None:
    assert not [each for render in renders.values() for each in render.of("Settings")]


def test_only_what_the_readme_names_differs(renders: dict[str, Render]) -> None:
    rows = re.findall(r"^\| `([^`]+)` \|", README.read_text(), re.MULTILINE)
    assert renders["dev"].namespace != renders["main"].namespace
    dev = Render.parse("dev", render("dev").replace(renders["dev"].namespace, renders["main"].namespace))
    assert sorted(rows) == sorted({"namespace", *differences(dev, renders["main"])})


def differences(one: Render, other: Render) -> Iterator[str]:
    """Objects of one render only, and the fields in which objects of both differ."""
    mine = {identity(each): each for each in one.objects}
    theirs = {identity(each): each for each in other.objects}
    yield from mine.keys() ^ theirs.keys()
    for name in mine.keys() & theirs.keys():
        yield from (f"{name} {path}" for path in differing(mine[name], theirs[name]))


def differing(one: Any, other: Any, path: str = "") -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            yield from differing(one.get(key), other.get(key), f"{path}.{key}".lstrip("."))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from differing(*pair, f"{path}.{index}")
    elif one != other:
        yield path

"""Trees that a reviewed commit may hold, and that nobody who means well would write."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from delivery.chart import pin
from delivery.errors import DeliveryError
from delivery.review.comment import COMMENT_LIMIT, markdown
from delivery.review.model import Danger, ImageChange, OverlayReview, Review
from tests.delivery.review.repository import Repository, files
from tests.delivery.review.reviews import change, review

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {commit: '$Format:%H$'}\n"
TREE = {"overlays/dev/kustomization.yaml": "resources: [objects.yaml]\n", "overlays/dev/objects.yaml": CONFIG_MAP}


def test_attributes_hide_and_rewrite_nothing(tmp_path: Path) -> None:
    """A deploy checks the commit out, where they have no effect."""
    repository = Repository.create(tmp_path / "repository")
    repository.commit(TREE)
    hidden = {name.replace("dev", "hidden"): text for name, text in TREE.items()}
    attributes = {".gitattributes": "overlays/hidden export-ignore\n* export-subst\n"}
    repository.commit(TREE | hidden | attributes)
    result = repository.review(tmp_path / "out")
    assert [(each.name, each.status, len(each.changes)) for each in result.overlays] == [
        ("dev", "kept", 0),
        ("hidden", "added", 1),
    ]
    assert "$Format:%H$" in (tmp_path / "out" / "head" / "hidden.yaml").read_text()


VALUES = {"monitoring/chart/values.yaml": "a: 1\n", "monitoring/chart/values-dev.yaml": "a: 1\n"}
DEEP = f"{'[' * 3000}{']' * 3000}"
ALIASES = "a0: &a0 1\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 9}]\n" for n in range(1, 12))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("overlays/dev/objects.yaml", f"{CONFIG_MAP}deep: {DEEP}\n", "deeper than 100 levels"),
        ("monitoring/chart/values.yaml", f"a: {DEEP}\n", "deeper than 100 levels"),
        ("monitoring/chart/values.yaml", "a: &a [*a]\n", "deeper than 100 levels"),
        ("monitoring/chart/values.yaml", "a: 2024-13-45\n", ""),
        ("monitoring/chart/values.yaml", ALIASES, "holds more than 1,000,000 values"),
        ("monitoring/chart/folder.yaml/file", "", ""),
    ],
)
def test_a_file_that_is_no_good_ends_no_review(name: str, text: str, said: str, tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "repository")
    repository.commit(TREE | VALUES)
    repository.commit(TREE | VALUES | {name: text})
    result = repository.review(tmp_path / "out")
    assert said in " ".join(each.error_at_head for each in result.overlays)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (os.fsdecode(b"overlays/d\xff/kustomization.yaml"), r"name cannot be shown, 'd.udcff': rename it"),
        (os.fsdecode(b"monitoring/chart/values-\xff.yaml"), r"cannot be shown, 'values-.udcff.yaml': rename it"),
        ("overlays/chart-dev/kustomization.yaml", "an overlay chart-dev, as the chart's values are called: rename it"),
    ],
)
def test_a_name_under_which_nothing_can_be_shown(name: str, said: str, tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "repository")
    repository.commit(TREE | VALUES)
    repository.commit(TREE | VALUES | {name: ""})
    with pytest.raises(DeliveryError, match=said):
        repository.review(tmp_path / "out")


def test_a_link_that_leads_out(tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "repository")
    repository.commit(TREE)
    (repository.folder / "overlays" / "dev" / "link.yaml").symlink_to("../../../../../../../etc/passwd")
    repository.git("add", "--all")
    repository.git("commit", "-q", "-m", "A link")
    with pytest.raises(DeliveryError, match=r"'overlays/dev/link.yaml' would link to"):
        repository.review(tmp_path / "out")


def test_helm_is_given_no_option(tmp_path: Path) -> None:
    folder = files(tmp_path, {"monitoring/chart/pin.yaml": "chart: --post-renderer=./program\nversion: 0.1.0\n"})
    with pytest.raises(DeliveryError, match="must say a chart's address or folder as `chart`, not '--post-renderer"):
        pin(folder)


AT = "@" * 3000  # twelve bytes each, as Markdown needs it


def test_a_comment_of_everything_that_is_long_is_short_enough() -> None:
    images = tuple(ImageChange(f"{n}{AT}", AT, AT, ours=False) for n in range(5))
    dangers = [tuple(Danger(f"kind {n}", f"{number}{AT}") for n in range(60)) for number in range(60)]
    large = [replace(change("changed", "Kind", f"{n}{AT}", "a", "b", *dangers[n]), overlay=AT) for n in range(60)]
    overlay = OverlayReview(AT, "kept", tuple(large), images, (AT,) * 60, notes=(f"1{AT}", f"2{AT}"))
    quiet = OverlayReview(AT, "kept", images=images)
    failing = OverlayReview(AT, "kept", (), (), (), AT, AT)
    text = markdown(Review("a" * 40, "b" * 40, "a" * 40, (overlay, *(quiet, failing) * 60)), COMMENT_LIMIT)
    assert len(text.encode()) <= COMMENT_LIMIT
    assert text.count(" more") >= 5
    assert " more of this sort**: the artifact holds them." in text
    assert "objects are not shown here" in text


def test_many_warnings_of_one_object_keep_no_other_out() -> None:
    many = change("changed", "A", "many", "a", "b", *(Danger("alert", f"{n}: {'x' * 200}") for n in range(300)))
    other = change("changed", "B", "other", "a", "b", Danger("exposure", "Everybody may connect."))
    text = markdown(review(OverlayReview("dev", "kept", (many, other))), COMMENT_LIMIT)
    said = text.partition("### Every change")[0]
    assert "  - and 290 more of this object, in the artifact\n" in said
    assert "Everybody may connect." in said

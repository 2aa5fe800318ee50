"""Trees that a reviewed commit may hold, and that nobody who means well would write."""

import os
from pathlib import Path

import pytest

from delivery.errors import DeliveryError
from delivery.review import chart
from delivery.review.comment import COMMENT_LIMIT, markdown
from delivery.review.model import ImageChange, OverlayReview, Review
from tests.delivery.review.repository import Repository, files

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {commit: '$Format:%H$'}\n"
TREE = {"overlays/dev/kustomization.yaml": "resources: [objects.yaml]\n", "overlays/dev/objects.yaml": CONFIG_MAP}


def test_attributes_hide_and_rewrite_nothing(tmp_path: Path) -> None:
    """A deploy checks the commit out, where they have no effect."""
    repository = Repository.create(tmp_path / "repository")
    repository.commit(files(tmp_path / "base", TREE))
    hidden = {name.replace("dev", "hidden"): text for name, text in TREE.items()}
    attributes = {".gitattributes": "overlays/hidden export-ignore\n* export-subst\n"}
    repository.commit(files(tmp_path / "head", TREE | hidden | attributes))
    result = repository.review(tmp_path / "out")
    assert [(each.name, each.status, len(each.changes)) for each in result.overlays] == [
        ("dev", "kept", 0),
        ("hidden", "added", 1),
    ]
    assert "$Format:%H$" in (tmp_path / "out" / "head" / "hidden.yaml").read_text()


VALUES = {"monitoring/chart/values.yaml": "a: 1\n", "monitoring/chart/values-dev.yaml": "a: 1\n"}
DEEP = f"{'[' * 3000}{']' * 3000}"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("overlays/dev/objects.yaml", f"{CONFIG_MAP}deep: {DEEP}\n", "deeper than 100 levels"),
        ("monitoring/chart/values.yaml", f"a: {DEEP}\n", "deeper than 100 levels"),
        ("monitoring/chart/values.yaml", "a: &a [*a]\n", "deeper than 100 levels"),
        ("monitoring/chart/values.yaml", "a: 2024-13-45\n", "values.yaml cannot be read: month must be in 1..12"),
        ("monitoring/chart/folder.yaml/file", "", ""),
    ],
)
def test_a_file_that_is_no_good_ends_no_review(name: str, text: str, said: str, tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "repository")
    repository.commit(files(tmp_path / "base", TREE | VALUES))
    repository.commit(files(tmp_path / "head", TREE | VALUES | {name: text}))
    result = repository.review(tmp_path / "out")
    assert said in " ".join(each.error_at_head for each in result.overlays)


def test_an_overlay_with_a_name_that_is_no_text(tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "repository")
    repository.commit(files(tmp_path / "base", TREE))
    strange = os.fsdecode(b"overlays/d\xff/")
    repository.commit(
        files(tmp_path / "head", {name.replace("overlays/dev/", strange): text for name, text in TREE.items()})
    )
    with pytest.raises(DeliveryError, match=r"name cannot be shown, 'd.udcff': rename it"):
        repository.review(tmp_path / "out")


def test_a_link_that_leads_out(tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "repository")
    repository.commit(files(tmp_path / "base", TREE))
    (repository.folder / "overlays" / "dev" / "link.yaml").symlink_to("../../../../../../../etc/passwd")
    repository.git("add", "--all")
    repository.git("commit", "-q", "-m", "A link")
    with pytest.raises(DeliveryError, match=r"'overlays/dev/link.yaml' would link to"):
        repository.review(tmp_path / "out")


def test_helm_is_given_no_option(tmp_path: Path) -> None:
    pin = files(tmp_path, {"monitoring/chart/pin.yaml": "chart: --post-renderer=./program\nversion: 0.1.0\n"})
    with pytest.raises(DeliveryError, match="must say a chart's address or folder as `chart`, not '--post-renderer"):
        chart.pin(pin)


def test_a_comment_of_many_overlays_is_short_enough() -> None:
    images = tuple(ImageChange(f"{n}{'@' * 90}", "@" * 90, "<" * 90, ours=False) for n in range(5))
    error = "`<" * 500
    for overlay in (
        OverlayReview("o" * 90, "kept", images=images),
        OverlayReview("o", "kept", (), (), (), error, error),
    ):
        text = markdown(Review("a" * 40, "b" * 40, "a" * 40, (overlay,) * 60), COMMENT_LIMIT)
        assert len(text.encode()) <= COMMENT_LIMIT
        assert " more" in text

"""Trees that a reviewed commit may hold, and that nobody who means well would write."""

from pathlib import Path

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

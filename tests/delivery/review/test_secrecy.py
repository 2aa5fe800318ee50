"""Where a Secret's value may come out other than from the Secret: searched for in every byte of every file."""

import base64
import json
from pathlib import Path

import pytest

from delivery.review.model import Review
from tests.delivery.review.repository import Repository, files

SECRET = "hunter-number-two"
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"
DEV = "resources: [objects.yaml]\n"


def reviewed(folder: Path, changes: dict[str, str]) -> tuple[Review, bytes]:
    """The review of an overlay that gets `changes`, and all that it writes."""
    before = {"overlays/dev/kustomization.yaml": DEV, "overlays/dev/objects.yaml": CONFIG_MAP}
    repository = Repository.create(folder / "repository")
    repository.commit(files(folder / "base", before))
    repository.commit(files(folder / "head", before | changes))
    result = repository.review(folder / "out")
    return result, b"\n".join(path.read_bytes() for path in (folder / "out").rglob("*") if path.is_file())


def secret(value: str) -> str:
    """A Secret with a value, in JSON as YAML takes it too."""
    each = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "secret"}, "stringData": {"key": value}}
    return f"---\n{json.dumps(each)}\n"


PATCH = f"{DEV}patches:\n- patch: |\n    kind: Secret\n    stringData: {{password: '{SECRET}`]'}}\n"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"overlays/dev/kustomization.yaml": PATCH}, "unable to parse SM or JSON patch"),
        (
            {"overlays/dev/kustomization.yaml": f"{DEV}secretGenerator:\n- name: a\n  literals: ['{SECRET}']\n"},
            "invalid literal source ***, expected key=value",
        ),
        (
            {"overlays/dev/objects.yaml": f"{CONFIG_MAP}data: {{1: '{SECRET}}}'}}\n"},
            "map[string]interface {}{***",
        ),
    ],
)
def test_what_kustomize_repeats_when_it_fails(changes: dict[str, str], said: str, tmp_path: Path) -> None:
    result, written = reviewed(tmp_path, changes)
    assert said in result.overlays[0].error_at_head
    assert SECRET.encode() not in written

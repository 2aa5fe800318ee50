"""Manifests that no overlay includes, so that a review does not look at them."""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from delivery.kustomizations import FILES, SKIPPED, Kustomizations
from delivery.review.beside import content, listed

MANIFEST = (re.compile(rb"^apiVersion:", re.MULTILINE), re.compile(rb"^kind:", re.MULTILINE))
CHART = "Chart.yaml"


def sentences(before: Kustomizations, after: Kustomizations) -> Iterator[str]:
    """What is left out, in plain sentences: kustomizations always, other manifests where they change."""
    if left_out := after.left_out:
        yield f"Not looked at, as no overlay includes them: {listed(left_out)}."
    found = {path for tree in (before, after) for path in manifests(tree)}
    changed = sorted(str(path) for path in found if content(before.root / path) != content(after.root / path))
    if changed:
        yield f"No overlay includes what changes in {listed(changed)}: it is not looked at."


def manifests(tree: Kustomizations) -> Iterator[PurePosixPath]:
    """Files with Kubernetes objects, and of Helm charts, that no overlay includes."""
    for name, folders, files in os.walk(tree.root):
        folder = Path(name)
        folders[:] = [each for each in folders if each not in SKIPPED and not each.startswith(".")]
        relative = PurePosixPath(folder.relative_to(tree.root).as_posix())
        if CHART in files:
            folders.clear()
            for path in folder.rglob("*"):
                if path.is_file():
                    yield PurePosixPath(path.relative_to(tree.root).as_posix())
            continue
        for each in files:
            if each.endswith((".yaml", ".yml")) and each not in FILES and relative / each not in tree.files:
                text = content(folder / each) or b""
                if all(pattern.search(text) for pattern in MANIFEST):
                    yield relative / each

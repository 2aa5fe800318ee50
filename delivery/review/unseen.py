"""Manifests that no overlay includes, so that a review does not look at them."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from delivery.kustomizations import FILES, SKIPPED, Kustomizations
from delivery.review.files import content, listed

MANIFEST = (re.compile(rb"^apiVersion:", re.MULTILINE), re.compile(rb"^kind:", re.MULTILINE))
# what is no object of a cluster, though it is written like one
TOOLS = re.compile(rb"^apiVersion:[ \t]*[\"']?(?:skaffold|kustomize\.config\.k8s\.io|kind\.x-k8s\.io)/", re.MULTILINE)
CHART = "Chart.yaml"
DOCUMENTS = {".md", ".txt", ".png", ".svg"}


def changes(before: Kustomizations, after: Kustomizations, changed: frozenset[PurePosixPath]) -> set[PurePosixPath]:
    """Manifests that change and are not looked at."""
    return {path for tree in (before, after) for path in changed if is_left_out(path, tree)}


def sentences(changed: set[PurePosixPath], tree: Kustomizations) -> Iterator[str]:
    """What is not looked at: what of it changes, and kustomizations always."""
    if changed:
        yield f"Changed, but not looked at, as no overlay includes it: {listed(sorted(map(str, changed)))}."
    if found := tree.left_out:
        yield f"Not looked at, as no overlay includes them: {listed(found)}."


def is_left_out(path: PurePosixPath, tree: Kustomizations) -> bool:
    """Whether a path of a tree has objects of Kubernetes, or is a part of a kustomization or chart, and is unused."""
    if path.suffix in DOCUMENTS or path in tree.files or any(each in SKIPPED or each[0] == "." for each in path.parts):
        return False
    if path in tree.unused_files or any((tree.root / folder / CHART).is_file() for folder in path.parents):
        return True
    text = (content(tree.root / path) or b"") if path.suffix in {".yaml", ".yml"} and path.name not in FILES else b""
    return all(pattern.search(text) for pattern in MANIFEST) and not TOOLS.search(text)

"""The image of a Git tree: built once, and known to every registry by a tag with the tree's hash.

Two commits with the same files have the same tree: the one that `dev` has tested, and the one that brings it to `main`.
Between a registry and the scan the image is a folder, laid out as an OCI image layout
(https://github.com/opencontainers/image-spec/blob/main/image-layout.md).
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from delivery.checkout import ROOT
from delivery.errors import DeliveryError
from delivery.tools import program
from delivery.tools.git import git

ABSENT = re.compile(r"\b(MANIFEST_UNKNOWN|NAME_UNKNOWN)\b")
"""A registry's error codes for what it does not have. Source: OCI distribution specification, "Error Codes"."""


def find(repositories: Sequence[str], folder: Path) -> str:
    """Pull the image of the tree that is checked out into `folder`, from the first repository that has it.

    Return it as REPOSITORY@sha256:DIGEST; "" where none has it, and nothing is written.

    Raises:
        DeliveryError: a repository does not say whether it has it, or files are not committed.
    """
    if folder.exists():
        raise DeliveryError(f"{folder} is there already: remove it first.")
    tag = tree_tag()
    for repository in dict.fromkeys(repositories):
        result = program.run("crane", "digest", f"{repository}:{tag}")
        if result.returncode == 0:
            found = f"{repository}@{result.stdout.strip()}"
            crane("pull", "--format=oci", found, str(folder))
            return found
        if not ABSENT.search(result.stderr):
            raise DeliveryError(f"{repository} does not say whether it has {tag}: {last_line(result.stderr)}")
    return ""


def push(folder: Path, repository: str) -> str:
    """Push the image in `folder` as it is, under the tag of the tree that is checked out; return its digest.

    Raises:
        DeliveryError: the folder holds no image, or several; files are not committed; or the registry refuses.
    """
    digest = digest_of(folder)
    crane("push", str(folder), f"{repository}:{tree_tag()}")
    return digest


def tree_tag() -> str:
    """The tag that names the tree that is checked out.

    Raises:
        DeliveryError: this is no git checkout, or what is built would hold files that the tree does not have.
    """
    tree = git(ROOT, "rev-parse", "HEAD^{tree}")
    changed = git(ROOT, "status", "--porcelain")
    if tree.returncode or changed.returncode:
        raise DeliveryError("There is no git commit here, whose tree would name the image.")
    if changed.stdout:
        raise DeliveryError(
            f"Not committed: {changed.stdout.splitlines()[0][3:]}. An image is named by what is committed: commit it,"
            " or put it aside with `git stash --include-untracked`."
        )
    return f"tree-{tree.stdout.strip()}"


def digest_of(folder: Path) -> str:
    """The digest of the one image in an OCI image layout.

    Raises:
        DeliveryError: there is none, or more than one.
    """
    try:
        held = json.loads((folder / "index.json").read_text("utf-8"))["manifests"]
        [digest] = [str(each["digest"]) for each in held]
    except (OSError, ValueError, KeyError, TypeError):
        raise DeliveryError(f"{folder} must be an OCI image layout that holds one image.") from None
    return digest


def crane(*arguments: str) -> None:
    result = program.run("crane", *arguments)
    if result.returncode:
        raise DeliveryError(f"crane {arguments[0]} failed: {last_line(result.stderr)}")


def last_line(said: str) -> str:
    return (said.strip().splitlines() or ["it said nothing"])[-1]

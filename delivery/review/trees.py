"""Two commits laid out as folders, and what each overlay of them renders to."""

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from delivery.chart import FOLDER
from delivery.errors import ArgumentError, DeliveryError
from delivery.kustomizations import Kustomizations
from delivery.render import render_within
from delivery.review import chart, failures
from delivery.tools.git import git


@dataclass(frozen=True)
class Rendered:
    """What one overlay renders to at one commit: its YAML, or why there is none."""

    text: str = ""
    error: str = ""
    warnings: tuple[str, ...] = ()  # of kustomize, with no value of a Secret


@dataclass(frozen=True)
class Tree:
    """One commit as a folder."""

    commit: str
    folder: Path

    @cached_property
    def kustomizations(self) -> Kustomizations:
        return Kustomizations(self.folder)

    def overlays(self) -> list[str]:
        return list(self.kustomizations.overlays)


def commit(root: Path, ref: str, option: str) -> str:
    """The full name of the commit that `ref` names in the repository at `root`.

    Raises:
        ArgumentError: it names none; the sentence speaks of the command line's `option`.
    """
    found = git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if found.returncode:
        raise ArgumentError(f"{option} {ref!r} names no commit here: fetch it, or give a branch, a tag or a commit.")
    return found.stdout.strip()


def merge_base(root: Path, base: str, head: str) -> str:
    """The last commit that two commits have in common.

    Raises:
        DeliveryError: they have none in this clone.
    """
    found = git(root, "merge-base", base, head)
    if found.returncode:
        raise DeliveryError(
            f"{base[:12]} and {head[:12]} have no commit in common here: fetch the whole history (fetch-depth: 0)."
        )
    return found.stdout.strip()


def lay_out(root: Path, name: str, folder: Path) -> Tree:
    """Write the files of a commit to a fresh `folder`; the checkout is left alone.

    Raises:
        DeliveryError: git cannot read the commit, or it holds a link that leads out of it or a name that is no good.
    """
    objects = git(root, "rev-parse", "--path-format=absolute", "--git-path", "objects").stdout.strip()
    with tempfile.TemporaryDirectory() as own:  # a repository of the same objects, which leaves the checkout alone
        git(root, "init", "--quiet", "--bare", "--template=", own)
        folder.mkdir()
        environment = {"GIT_DIR": own, "GIT_OBJECT_DIRECTORY": objects, "GIT_WORK_TREE": str(folder)}
        for step in (["read-tree", name], ["checkout-index", "--all", "--quiet"]):
            result = git(folder, "-c", "core.bare=false", "-c", "core.symlinks=true", *step, env=environment)
            if result.returncode:
                raise DeliveryError(f"git cannot read commit {name[:12]}: {result.stderr.strip()}")
    for link in links(folder):
        if link.readlink().is_absolute() or not link.resolve().is_relative_to(folder.resolve()):
            path = str(link.relative_to(folder))
            raise DeliveryError(
                f"Commit {name[:12]} is not laid out: {path!r} would link to {str(link.readlink())!r}, outside of it."
            )
    tree = Tree(name, folder)
    shown = {part for each in tree.kustomizations.all for part in each.parts}
    for each in sorted(shown | {path.name for path in (folder / FOLDER).glob("*")}):
        if not each.isprintable():
            raise DeliveryError(f"Commit {name[:12]} has a file whose name cannot be shown, {each!a}: rename it.")
    if taken := next((each for each in tree.overlays() if each.startswith(chart.PREFIX)), None):
        raise DeliveryError(f"Commit {name[:12]} has an overlay {taken}, as the chart's values are called: rename it.")
    return tree


def links(folder: Path) -> Iterator[Path]:
    """Symbolic links below a folder, of which none is followed."""
    for path, folders, files in os.walk(folder):
        yield from (link for each in [*folders, *files] if (link := Path(path, each)).is_symlink())


def render_all(trees: list[Tree], *, with_charts: bool) -> list[dict[str, Rendered]]:
    """What each overlay and each chart of each tree renders to; one that fails keeps none of the others from it.

    Without charts their values stand for them, on both sides: what is not of one kind cannot be compared.
    """
    with ThreadPoolExecutor() as pool:
        started = [
            {
                name: pool.submit(rendered, name, tree, with_charts=with_charts)
                for name in [*tree.overlays(), *chart.names(tree.folder)]
            }
            for tree in trees
        ]
        return [{name: future.result() for name, future in each.items()} for each in started]


def rendered(name: str, tree: Tree, *, with_charts: bool) -> Rendered:
    try:
        if name in tree.overlays():
            text, warnings = render_within(name, tree.kustomizations)
            return Rendered(text, warnings=tuple(failures.safe(each, tree.folder) for each in warnings))
        return Rendered(text=(chart.render if with_charts else chart.values)(name, tree.folder))
    except DeliveryError as error:
        return Rendered(error=failures.of_tree(error.message, tree.folder))

"""Two commits laid out as folders, and what each overlay of them renders to."""

import os
import re
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from delivery import failures
from delivery.chart import FOLDER
from delivery.errors import ArgumentError, DeliveryError, ToolError
from delivery.kustomizations import Kustomizations
from delivery.render import render_within
from delivery.review import chart
from delivery.tools.git import git

REPLACEMENT = "\ufffd"  # stands for what is no UTF-8 in the names of files


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

    @cached_property
    def vocabulary(self) -> re.Pattern[str]:
        """What messages about the tree may show."""
        return failures.vocabulary(self.folder, chart.names(self.folder))

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


def lay_out(
    root: Path, name: str, folder: Path, like: Tree | None = None, changed: frozenset[PurePosixPath] = frozenset()
) -> Tree:
    """Write the files of a commit to a fresh `folder`; the checkout is left alone.

    Where another tree, `like`, differs in the `changed` files alone, all others are links to its own: to write them
    takes longer than all the rest.

    Raises:
        DeliveryError: git cannot read the commit, or it holds a link that leads out of it or a name that is no good.
    """
    objects = git(root, "rev-parse", "--path-format=absolute", "--git-path", "objects").stdout.strip()
    with tempfile.TemporaryDirectory() as own:  # a repository of the same objects, which leaves the checkout alone
        git(root, "init", "--quiet", "--bare", "--template=", own)
        folder.mkdir()
        environment = {"GIT_DIR": own, "GIT_OBJECT_DIRECTORY": objects, "GIT_WORK_TREE": str(folder)}
        options = ["-c", "core.bare=false", "-c", "core.symlinks=true"]
        result = git(folder, *options, "read-tree", name, env=environment)
        paths, stdin = ["--all"], ""
        if like and not result.returncode and not any(map(unlike, changed)):
            link_files(like.folder, folder, changed)
            listed = git(folder, *options, "ls-files", "-z", env=environment).stdout.split("\0")
            paths, stdin = ["-z", "--stdin"], "\0".join(each for each in listed if PurePosixPath(each) in changed)
        if not result.returncode:
            result = git(folder, *options, "checkout-index", "--quiet", *paths, env=environment, stdin=stdin)
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


def unlike(path: PurePosixPath) -> bool:
    """Whether a change of a file may make others differ, or it cannot be told from others by its name."""
    return path.name == ".gitattributes" or REPLACEMENT in str(path)


def link_files(source: Path, folder: Path, but: frozenset[PurePosixPath]) -> None:
    """Link the files of a tree into another folder, except for some."""
    skipped, made = {str(each) for each in but}, {""}
    for each in entries(source):
        name = each.path.removeprefix(f"{source}/")
        if name not in skipped and (each.is_symlink() or not each.is_dir()):
            if (parent := name.rpartition("/")[0]) not in made:
                (folder / parent).mkdir(parents=True, exist_ok=True)
                made.add(parent)
            os.link(each.path, f"{folder}/{name}", follow_symlinks=False)


def links(folder: Path) -> Iterator[Path]:
    """Symbolic links below a folder, of which none is followed."""
    return (Path(each.path) for each in entries(folder) if each.is_symlink())


def entries(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    """What is below a folder, folders too."""
    with os.scandir(folder) as found:
        for each in found:
            yield each
            if each.is_dir(follow_symlinks=False):
                yield from entries(each.path)


Renders = dict[str, Rendered]  # by the name of the overlay or chart


def render_both(before: Tree, after: Tree, changed: frozenset[PurePosixPath], *, charts: bool) -> list[Renders]:
    """What each overlay and each chart of both trees renders to; one that fails keeps none of the others from it.

    What no changed file can be a part of is rendered once. Without charts their values stand for them, on both sides:
    what is not of one kind cannot be compared.
    """
    with ThreadPoolExecutor() as pool:

        def start(name: str, tree: Tree) -> Future[Rendered]:
            return pool.submit(rendered, name, tree, with_charts=charts)

        old = {name: start(name, before) for name in [*before.overlays(), *chart.names(before.folder)]}
        new = {
            name: old[name] if untouched(name, before, after, changed) else start(name, after)
            for name in [*after.overlays(), *chart.names(after.folder)]
        }
        return [{name: future.result() for name, future in side.items()} for side in (old, new)]


def untouched(overlay: str, before: Tree, after: Tree, changed: frozenset[PurePosixPath]) -> bool:
    """Whether an overlay of both trees is made from the same files."""
    if not (overlay in before.overlays() and overlay in after.overlays()):
        return False
    sources = before.kustomizations.sources(overlay)
    return sources is not None and not any(path.is_relative_to(folder) for path in changed for folder in sources)


def differing(root: Path, old: str, new: str) -> frozenset[PurePosixPath]:
    """Paths of the files in which two commits differ.

    Raises:
        DeliveryError: git cannot read one of them.
    """
    found = git(root, "--no-replace-objects", "diff-tree", "-r", "-z", "--name-only", "--no-renames", old, new)
    if found.returncode:
        raise DeliveryError(f"git cannot compare {old[:12]} with {new[:12]}: {found.stderr.strip()}")
    return frozenset(PurePosixPath(name) for name in found.stdout.split("\0") if name)


def rendered(name: str, tree: Tree, *, with_charts: bool) -> Rendered:
    try:
        if name in tree.overlays():
            text, warnings = render_within(name, tree.kustomizations)
            return Rendered(text, warnings=tuple(failures.safe(each, tree.vocabulary) for each in warnings))
        return Rendered(text=(chart.render if with_charts else chart.values)(name, tree.folder))
    except ToolError as error:
        return Rendered(error=error.message)
    except DeliveryError as error:
        return Rendered(error=failures.of_tree(error.message, tree.folder, tree.vocabulary))

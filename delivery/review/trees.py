"""Two commits laid out as folders, and what each overlay of them renders to."""

import tarfile
import tempfile
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

# files of a commit that its own .gitattributes would keep out of an archive, or write anew in it
WHOLE = "* -export-ignore -export-subst\n"


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
    with tempfile.TemporaryDirectory() as own:  # a repository of the same objects, and with attributes of our own
        git(root, "init", "--quiet", "--bare", "--template=", own)
        (Path(own) / "info").mkdir()
        (Path(own) / "info" / "attributes").write_text(WHOLE)
        tar = Path(own) / "tree.tar"
        environment = {"GIT_DIR": own, "GIT_OBJECT_DIRECTORY": objects}
        archive = git(root, "archive", "--format=tar", f"--output={tar}", name, env=environment)
        if archive.returncode:
            raise DeliveryError(f"git cannot read commit {name[:12]}: {archive.stderr.strip()}")
        folder.mkdir()
        try:
            with tarfile.open(tar) as files:
                files.extractall(folder, filter="data")
        except tarfile.FilterError as error:
            raise DeliveryError(f"Commit {name[:12]} is not laid out: {error}") from None
    tree = Tree(name, folder)
    shown = {part for each in tree.kustomizations.all for part in each.parts}
    for each in sorted(shown | {path.name for path in (folder / FOLDER).glob("*")}):
        if not each.isprintable():
            raise DeliveryError(f"Commit {name[:12]} has a file whose name cannot be shown, {each!a}: rename it.")
    if taken := next((each for each in tree.overlays() if each.startswith(chart.PREFIX)), None):
        raise DeliveryError(f"Commit {name[:12]} has an overlay {taken}, as the chart's values are called: rename it.")
    return tree


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
        # where the tree lies differs from run to run, and tells a reviewer nothing
        resolved = str(tree.folder.resolve())
        message = error.message.replace(f"{resolved}/", "").replace(resolved, ".")
        return Rendered(error=failures.safe(message, tree.folder))

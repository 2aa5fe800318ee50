"""The kustomizations of a tree: which are rendered, what they include, and what nothing renders."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from delivery import manifests
from delivery.checkout import OVERLAYS, ROOT
from delivery.errors import DeliveryError

FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
INCLUDING = ("resources", "components", "bases")
CHARTS = ("helmCharts", "helmChartInflationGenerator")
LONGEST_PATH = 256
ROOT_NAME = "root"  # of the kustomization in the tree's own folder
SKIPPED = {"node_modules", "vendor"}
# what kustomize would fetch from another machine
# Source: https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/resource/
REMOTE = re.compile(
    r"[a-z][a-z0-9+.-]*://|git::|[^/@\s]+@[^/:\s]+:|[^/\s]+\.(com|org|net|io|dev)[/:]|.*\?(ref|version)="
)
ELSEWHERE = "{} is not a file of this checkout: copy what it serves to one, and name that."
OUTSIDE = "{} leads out of this checkout: copy what it holds into it, and name that."
UNRENDERED = "{} has {}, which are not rendered here: render the chart to a file, and name that as a resource."


@dataclass(frozen=True)
class Kustomization:
    """One kustomization, by its folder below the root of its tree."""

    folder: PurePosixPath
    content: dict[str, Any] = field(repr=False, hash=False)

    @property
    def is_component(self) -> bool:
        return self.content.get("kind") == "Component"

    @property
    def included(self) -> list[str]:
        """What it includes, as it is written."""
        lists = [self.content.get(key) for key in INCLUDING]
        return [each for found in lists if isinstance(found, list) for each in found if isinstance(each, str)]


class Kustomizations:
    """All kustomizations of the tree at `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.named: dict[PurePosixPath, set[Path]] = {}

    @cached_property
    def all(self) -> dict[PurePosixPath, Kustomization]:
        return {each.folder: each for each in self._find()}

    def _find(self) -> Iterator[Kustomization]:
        for folder, folders, files in os.walk(self.root):
            folders[:] = sorted(each for each in folders if each not in SKIPPED and not each.startswith("."))
            if found := next((name for name in FILES if name in files), None):
                content = read(Path(folder) / found)
                # Flux has a kind of that name, which it reads from files of that name too
                if "kustomize.toolkit.fluxcd.io" not in str(content.get("apiVersion")):
                    yield Kustomization(PurePosixPath(Path(folder).relative_to(self.root).as_posix()), content)

    def includes(self, each: Kustomization) -> Iterator[Kustomization]:
        """The kustomizations that one includes itself."""
        for path in each.included:
            target = PurePosixPath(os.path.normpath(each.folder / path))
            if target in self.all and target != each.folder:
                yield self.all[target]

    @cached_property
    def overlays(self) -> dict[str, PurePosixPath]:
        """Folders of what is rendered, by name: all below overlays/; without that folder, what no other one includes.

        Those in a deeper folder called overlays are rendered too, though others include them.
        """
        rendered = [each for each in self.all.values() if not each.is_component]
        own = {
            each.folder.relative_to(OVERLAYS): each for each in rendered if OVERLAYS in map(str, each.folder.parents)
        }
        if own:
            return {str(name): each.folder for name, each in sorted(own.items())}
        used = {one.folder for each in self.all.values() for one in self.includes(each)}
        return {
            ROOT_NAME if folder == PurePosixPath() else str(folder): folder
            for folder in sorted(each.folder for each in rendered)
            if folder not in used or OVERLAYS in folder.parts[:-1]
        }

    @cached_property
    def looked_at(self) -> set[PurePosixPath]:
        """Folders of kustomizations that are rendered, by themselves or as a part."""
        return self.reached(self.overlays.values())

    def sources(self, overlay: str) -> set[PurePosixPath] | None:
        """Folders outside of which kustomize reads nothing for an overlay; None where they are not known.

        Source: https://kubectl.docs.kubernetes.io/faq/kustomize/ (security: file is not in or below)
        """
        folders = self.reached([self.overlays[overlay]])
        roots = [self.root / folder for folder in folders]
        for folder in folders:
            named = self.named.get(folder)
            if named is None:
                named = self.named[folder] = folders_named(self.root / folder, self.all[folder].content)
            if not all(any(each.is_relative_to(root) for root in roots) for each in named):
                return None
        return folders

    def reached(self, folders: Iterable[PurePosixPath]) -> set[PurePosixPath]:
        """Folders of kustomizations, with those of all that they include."""
        found: set[PurePosixPath] = set()
        waiting = [self.all[folder] for folder in folders]
        while waiting:
            each = waiting.pop()
            if each.folder not in found:
                found.add(each.folder)
                waiting += self.includes(each)
        return found

    @cached_property
    def files(self) -> set[PurePosixPath]:
        """Files that the kustomizations which are rendered name, with their own."""
        return set(self.files_of(self.looked_at))

    @cached_property
    def unused_files(self) -> set[PurePosixPath]:
        """Files that only other kustomizations name, with their own."""
        return set(self.files_of(self.all.keys() - self.looked_at)) - self.files

    def files_of(self, folders: Iterable[PurePosixPath]) -> Iterator[PurePosixPath]:
        for folder in folders:
            for text in {*FILES, *texts(self.all[folder].content)}:
                path = PurePosixPath(os.path.normpath(folder / text))
                if (self.root / path).is_file():
                    yield path

    @property
    def left_out(self) -> list[str]:
        """Folders of kustomizations that nothing renders."""
        return sorted(str(folder) for folder in self.all.keys() - self.looked_at)

    def refuse_foreign(self, overlay: str) -> None:
        """See that an overlay is made from files of the tree alone.

        Raises:
            DeliveryError: it, or what it includes, names another machine, a folder outside of the tree, or a chart.
        """
        waiting, seen = [self.all[self.overlays[overlay]]], set()
        while waiting:
            each = waiting.pop()
            if each.folder in seen:
                continue
            seen.add(each.folder)
            for path in each.included:
                target = self.root / each.folder / path
                if REMOTE.match(path) and not target.exists():
                    raise DeliveryError(failure(overlay, ELSEWHERE.format(path)))
                if not target.resolve().is_relative_to(self.root):
                    raise DeliveryError(failure(overlay, OUTSIDE.format(path)))
            if chart := next((key for key in CHARTS if each.content.get(key)), None):
                raise DeliveryError(failure(overlay, UNRENDERED.format(each.folder, chart)))
            waiting += self.includes(each)


def texts(value: Any) -> Iterator[str]:
    """Texts that may be paths: of a pair such as `key=path`, what stands behind the sign."""
    for each in strings(value):
        if "\n" not in each and len(each) < LONGEST_PATH:
            yield from {each, each.partition("=")[2]} - {""}


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from strings(each)


def folders_named(folder: Path, content: dict[str, Any]) -> set[Path]:
    """Folders that the kustomization in a folder may read from, by any of its texts or by a link; / where unknown."""
    everywhere = {Path("/")}
    if not content or any(path.is_symlink() for path in folder.rglob("*")):
        return everywhere
    try:
        targets = {(folder / text).resolve() for text in strings(content)}
        return {target for target in targets if target.is_dir()}
    except (OSError, ValueError, RuntimeError):
        return everywhere


def overlays(root: Path = ROOT) -> list[str]:
    """Names of the overlays in the checkout at `root`, sorted.

    Raises:
        DeliveryError: there are none.
    """
    names = list(Kustomizations(root).overlays)
    if not names:
        raise DeliveryError(f"No kustomization under {root}: run this in a checkout.")
    return names


def has_kustomization(folder: Path) -> bool:
    return any((folder / name).is_file() for name in FILES)


def failure(overlay: str, reason: str) -> str:
    return f"Overlay {overlay} does not render: {reason}"


def read(path: Path) -> dict[str, Any]:
    """A kustomization's file; empty where it is no mapping, of which kustomize says more."""
    try:
        found = manifests.load(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError, DeliveryError):
        return {}
    return found if isinstance(found, dict) else {}

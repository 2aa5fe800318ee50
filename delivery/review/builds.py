"""Which images a change rebuilds: what each Dockerfile copies, as far as .dockerignore lets it."""

import os
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from delivery.kustomizations import SKIPPED
from delivery.review.files import listed, read

DOCKERFILE = re.compile(r"(?:[\w.-]+\.)?Dockerfile(?:\.[\w-]+)?|Containerfile")
CONTINUED = re.compile(r"\\[ \t]*\n(?:[ \t]*(?:#.*)?\n)*")  # a line that goes on in the next, with comments between
COPIED = re.compile(
    r"^[ \t]*(?:COPY|ADD)[ \t]+(?!.*--from)(?:--\S+[ \t]+)*(.+)[ \t]+\S+[ \t]*$", re.MULTILINE | re.IGNORECASE
)
MOUNTED = re.compile(r"--mount=(?!\S*\bfrom=)(?=\S*\btype=bind\b)\S*?\b(?:source|src)=([^,\s]+)")
BASE_IMAGE = re.compile(r"^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)?(\S+)", re.MULTILINE | re.IGNORECASE)
PINNED = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[\w,-]+\])?==([^\s;\\]+)", re.MULTILINE)
LOCK = "requirements/run.txt"
ROOT = PurePosixPath()
# what no image is made from: documents, pictures, hidden files, Terraform
ASIDE = re.compile(r"(?:^|/)(?:\.|LICENSE|CODEOWNERS|OWNERS)|\.(?:md|rst|adoc|png|jpe?g|gif|svg|tf|tfvars|hcl)$")


@dataclass(frozen=True)
class Build:
    """One Dockerfile of a tree."""

    root: Path
    path: PurePosixPath  # of the Dockerfile, below the root of the tree

    @property
    def name(self) -> str:
        """What its image is called in a sentence: its folder, unless it has a name of its own."""
        return str(self.path.parent if self.path.name in {"Dockerfile", "Containerfile"} else self.path)

    @cached_property
    def sources(self) -> list[str]:
        """What it copies or mounts from its context, as it is written."""
        text = CONTINUED.sub(" ", read(self.root / self.path))
        words = (word for sources in COPIED.findall(text) for word in sources.split())
        found = dict.fromkeys([*(word.strip('[],"') for word in words), *MOUNTED.findall(text)])
        return [each for each in found if each and not re.match(r"[a-z]+://|.*[$<]", each)]

    @cached_property
    def context(self) -> PurePosixPath:
        """The folder that it copies from: its own, unless only the root of the tree has all that it copies."""
        own = self.path.parent
        places = (folder for folder in (own, ROOT) if all(self.has(folder, source) for source in self.sources))
        return next(places, own)

    def has(self, folder: PurePosixPath, source: str) -> bool:
        return "*" in source or (self.root / folder / source.lstrip("/")).exists()

    @cached_property
    def left_out(self) -> list[tuple[re.Pattern[str], bool]]:
        """Patterns of its .dockerignore, each with whether it takes files back in."""
        lines = (line.strip() for line in read(self.root / self.context / ".dockerignore").splitlines())
        return [
            (pattern(line.lstrip("!").strip("/")), line.startswith("!"))
            for line in lines if line and not line.startswith("#")
        ]  # fmt: skip

    def takes(self, name: str) -> bool:
        """Whether a path below its context may be copied."""
        prefixes = [name, *map(str, PurePosixPath(name).parents)]
        taken = True
        for found, back in self.left_out:
            if any(found.fullmatch(each) for each in prefixes):
                taken = back
        return taken

    def inputs(self, changed: frozenset[PurePosixPath]) -> Iterator[str]:
        """Changed files and folders that it is built from: its own, then what it copies, as that is written."""
        ignore = self.context / ".dockerignore"
        yield from (path.name for path in (self.path, ignore) if path in changed)
        below = sorted(str(path.relative_to(self.context)) for path in changed if path.is_relative_to(self.context))
        copied = [name for name in below if self.takes(name) and self.context / name not in {self.path, ignore}]
        for source in self.sources:
            clean = posixpath.normpath(source.lstrip("/"))
            if clean == ".":
                plain = (PurePosixPath(name) for name in copied if not ASIDE.search(name))
                yield from (name.parts[0] + ("/" if len(name.parts) > 1 else "") for name in plain)
            elif any(pattern(clean).fullmatch(each) for name in copied for each in [name, *parents(name)]):
                yield f"{clean}/" if (self.root / self.context / clean).is_dir() else clean


def parents(name: str) -> list[str]:
    return [str(each) for each in PurePosixPath(name).parents]


def pattern(text: str) -> re.Pattern[str]:
    """A pattern of paths, with *, ** and ?, as Docker reads it."""
    parts = re.split(r"(\*\*/?|\*|\?)", text)
    wild = {"**": ".*", "**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(wild.get(each, re.escape(each)) for each in parts))


def builds(root: Path) -> Iterator[Build]:
    """The Dockerfiles of a tree."""
    for name, folders, files in os.walk(root):
        folders[:] = sorted(each for each in folders if each not in SKIPPED and not each.startswith("."))
        folder = PurePosixPath(Path(name).relative_to(root).as_posix())
        named = (each for each in sorted(files) if DOCKERFILE.fullmatch(each))
        # of Dockerfile and Dockerfile.debug in one folder, the second builds a variant of the same image
        yield from (
            Build(root, folder / each) for each in named if each[:11] != "Dockerfile." or "Dockerfile" not in files
        )


def sentences(before: Path, after: Path, changed: frozenset[PurePosixPath]) -> Iterator[str]:
    """Which images are built again, and of what; `changed` has no manifests."""
    found: dict[str, dict[str, None]] = {}
    for build in builds(after):
        if names := dict.fromkeys(build.inputs(changed)):
            found[build.name] = names
    if names := found.pop(".", {}):
        named = [name + details(LOCK if pattern(name).fullmatch(LOCK) else name, before, after) for name in names]
        yield f"The image will be rebuilt ({listed(named, '; ' if any(': ' in each for each in named) else ', ')})."
    if len(found) == 1:
        [(folder, names)] = found.items()
        yield f"The image of {folder} will be rebuilt ({listed(list(names))})."
    elif found:
        yield f"{len(found)} images will be rebuilt: those of {listed(list(found))}."


def unknown(after: Path, changed: frozenset[PurePosixPath]) -> Iterator[str]:
    """That files change of which no Dockerfile says what becomes of them."""
    contexts = [build.context for build in builds(after)]
    if ROOT in contexts:
        return  # that one says what the repository builds
    rest = sorted(str(path) for path in changed if not any(path.is_relative_to(each) for each in contexts))
    if names := [name for name in rest if not ASIDE.search(name)]:
        yield f"Other files change ({listed(names)}): what is built from them is not known here."


def details(name: str, before: Path, after: Path) -> str:
    """The versions that a file of the image changes."""
    texts = read(before / name), read(after / name)
    if name == LOCK:
        old, new = (dict(PINNED.findall(text)) for text in texts)
    elif name == "Dockerfile":
        old, new = ({f"base image {n}": one for n, one in enumerate(BASE_IMAGE.findall(text), 1)} for text in texts)
    else:
        return ""
    steps = [
        f"{each} {old.get(each, 'new')} → {new.get(each, 'removed')}"
        for each in sorted(old.keys() | new.keys())
        if old.get(each) != new.get(each)
    ]
    return f": {listed(steps)}" if steps else ""

"""What a change does beside the manifests: the image, migrations, Terraform, and the deploy itself."""

import re
from collections.abc import Iterator
from pathlib import Path

from delivery.migrations import FOLDER, migrations

LOCK = "requirements/run.txt"
MOST = 5  # in a sentence
COPIED = re.compile(r"^COPY[ \t]+(?!--from)(.+)[ \t]+\S+[ \t]*$", re.MULTILINE)
BASE_IMAGE = re.compile(r"^FROM[ \t]+(\S+)", re.MULTILINE)
PINNED = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[\w,-]+\])?==([^\s;\\]+)", re.MULTILINE)
DEPLOY = ("delivery", ".github/workflows/deploy.yml")


def sentences(before: Path, after: Path) -> tuple[str, ...]:
    """What differs between two trees and takes effect, though no manifest says so."""
    return (*image(before, after), *schema(before, after), *infrastructure(before, after))


def image(before: Path, after: Path) -> Iterator[str]:
    """What the image is built from: the Dockerfile, and what that copies."""
    inputs = ["Dockerfile", ".dockerignore", *copied(after)]
    found = [name for name in dict.fromkeys(inputs) if changed(before / name, after / name)]
    if found:
        named = [name + details(name, before, after) for name in found]
        yield f"The image will be rebuilt ({listed(named, '; ' if any(': ' in each for each in named) else ', ')})."


def copied(folder: Path) -> Iterator[str]:
    for sources in COPIED.findall(read(folder / "Dockerfile")):
        for name in sources.split():
            yield f"{name}/" if (folder / name).is_dir() else name


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


def schema(before: Path, after: Path) -> Iterator[str]:
    old, new = migrations(before), migrations(after)
    if added := [name for name in new if name not in old]:
        numbers = [name.partition("_")[0] for name in added]
        verb = "Migration {} runs" if len(added) == 1 else "Migrations {} run"
        yield verb.format(listed(numbers, last=" and ")) + " before the new pods."
    for name in added:
        if reason := new[name]:
            yield f"{name} is marked as one that old code cannot live with: {reason.rstrip('.')}."
    for name in old:
        if name not in new:
            yield f"Migration {name} is removed, and stays applied where it was."
        elif changed(before / FOLDER / name, after / FOLDER / name):
            yield f"Migration {name} is edited: where it was applied, the new pods do not start."


def infrastructure(before: Path, after: Path) -> Iterator[str]:
    if files := differing(before, after, "terraform"):
        yield f"Terraform files change ({listed(files)}): no deploy applies them, terraform plan shows what they do."
    if files := [file for name in DEPLOY for file in differing(before, after, name)]:
        yield f"The deploy itself changes ({listed(files)})."


def differing(before: Path, after: Path, name: str) -> list[str]:
    """Files that differ, of a folder or a file of that name."""
    names = {
        path.relative_to(side).as_posix()
        for side in (before, after)
        for path in [side / name, *(side / name).rglob("*")]
        if path.is_file()
    }
    return sorted(each for each in names if content(before / each) != content(after / each))


def changed(before: Path, after: Path) -> bool:
    return bool(differing(before.parent, after.parent, after.name))


def content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def read(path: Path) -> str:
    return (content(path) or b"").decode("utf-8", "replace")


def listed(names: list[str], between: str = ", ", last: str = "") -> str:
    if len(names) > MOST:
        return between.join(names[:MOST]) + f" and {len(names) - MOST} more"
    return between.join(names[:-1]) + (last or between) + names[-1] if len(names) > 1 else names[0]

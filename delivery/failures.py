"""Why a render failed, in words that hold no value of a Secret.

The programs that render repeat their input when they fail. Of a message only known phrases stay, with the paths, kinds
and names that stand in files outside of Secrets; all else is masked.
"""

import os
import posixpath
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from delivery import manifests
from delivery.credential_patterns import URL_PASSWORD
from delivery.credentials import MASK, hide_password
from delivery.errors import DeliveryError
from delivery.kustomizations import FILES, SKIPPED
from delivery.manifests import dig

HINT = (
    f"{MASK} stands for what may be the value of a Secret: run `.tools/bin/kustomize build FOLDER` in a checkout to "
    "see it."
)
# fields of a kustomization that hold paths or names
NAMING = {
    *("resources", "components", "bases", "crds", "configurations", "generators", "transformers", "validators"),
    *("path", "name", "newName", "namespace", "namePrefix", "nameSuffix", "kind", "group", "version"),
    *("patchesStrategicMerge", "fieldPath", "fieldPaths"),
}
MARKS = re.compile(r"[\s'\"`:,;()\[\]{}=./|]{1,5}")  # what may stand between what is known
REPEATED = re.compile(r"\*{3}(?:[^\s*]{0,30}\s?\*{3})+")  # masks with nearly nothing between them
# what a chart of the tree says of values that it refuses
REFUSING = re.compile(r'\b(?:required|fail)\s+"([^"\\\n]{1,300})"')
LARGEST = 1_000_000  # bytes of a file that is looked into
BORDERS = (r"(?<![\w-])", r"(?![\w-])")


def vocabulary(folder: Path | None = None, names: Iterable[str] = ()) -> re.Pattern[str]:
    """What of messages can be shown: phrases, `names`, and what the files in `folder` say outside of Secrets."""
    words = sorted({*names, *(known(folder) if folder else ())}, key=lambda each: (-len(each), each))
    either = "|".join(map(re.escape, words)) or r"(?!)"
    return re.compile(rf"{BORDERS[0]}(?:{either}){BORDERS[1]}|{phrases()}")


def safe(message: str, shown: re.Pattern[str] | None = None) -> str:
    """A message with all masked but what a vocabulary shows."""
    parts, done = [], 0
    for found in (shown or vocabulary()).finditer(message):
        parts += [between(message[done : found.start()]), found[0]]
        done = found.end()
    text = "".join([*parts, between(message[done:])])
    text = REPEATED.sub(MASK, text)
    return f"{text}\n{HINT}" if MASK in text else text


def of_tree(message: str, folder: Path, shown: re.Pattern[str] | None = None) -> str:
    """What can be shown of a message about a tree, without where the tree lies, which tells a reviewer nothing."""
    resolved = str(folder.resolve())
    return safe(message.replace(f"{resolved}/", "").replace(resolved, "."), shown or vocabulary(folder))


def between(text: str) -> str:
    """What stands between two known parts of a message: marks, or something to be masked with the marks around it."""
    if not text or MARKS.fullmatch(text):
        return text
    start, end = (re.match(r"[\s'\"`:,;()\[\]{}]{0,3}", each) for each in (text, text[::-1]))
    assert start  # noqa: S101 - it matches nothing, too
    assert end  # noqa: S101
    return f"{start[0]}{MASK}{end[0][::-1]}"


@cache
def phrases() -> str:
    text = Path(__file__).with_name("failures.yaml").read_text("utf-8")
    found: list[str] = next(manifests.load_all(text))
    return "|".join(rf"(?<!\w)(?:{each})(?!\w)" for each in sorted(found, key=len, reverse=True))


def known(folder: Path) -> set[str]:
    """Paths in a tree, and kinds and names in its files outside of Secrets."""
    found = {"v1", "Secret", "ConfigMap"}
    for name, folders, files in os.walk(folder):
        # what is installed in a checkout is no part of it
        folders[:] = [each for each in folders if each not in SKIPPED and not each.startswith(".")]
        for path in (Path(name, each) for each in [*folders, *files]):
            relative = path.relative_to(folder)
            found |= {str(relative), path.name}
            if path.is_file() and (path.suffix in {".yaml", ".yml"} or path.name in FILES):
                found |= set(named(path, relative.parent.as_posix()))
            if "templates" in relative.parts[:-1]:
                found |= set(REFUSING.findall(content(path)))
    return {each for each in found if len(each) > 1}


def content(path: Path) -> str:
    """A file's text; "" where it is too large or no text."""
    try:
        return path.read_text("utf-8") if path.is_file() and path.stat().st_size <= LARGEST else ""
    except (OSError, ValueError):
        return ""


def named(path: Path, folder: str) -> Iterator[str]:
    """Names in one file; none where it cannot be read."""
    try:
        documents = list(manifests.load_all(path.read_text("utf-8"))) if path.stat().st_size <= LARGEST else []
    except (OSError, ValueError, RecursionError, DeliveryError, yaml.YAMLError):
        return
    for each in documents:
        if not isinstance(each, dict):
            continue
        if path.name in FILES:
            for text in naming(each):
                yield from (URL_PASSWORD.sub(hide_password, text), posixpath.normpath(posixpath.join(folder, text)))
        elif each.get("kind") != "Secret":
            identity = (each.get("kind"), dig(each, "metadata", "name"), dig(each, "metadata", "namespace"))
            yield from (text for text in identity if isinstance(text, str))
            yield from str(each.get("apiVersion") or "").split("/")


def naming(value: Any, *, names: bool = False) -> Iterator[str]:
    """Texts of a kustomization in fields that hold paths or names."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from naming(each, names=key in NAMING)
    elif isinstance(value, list):
        for each in value:
            yield from naming(each, names=names)
    elif names and isinstance(value, str) and "\n" not in value:
        yield value

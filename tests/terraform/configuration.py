"""The Terraform configuration and its tests, read as data."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import hcl2
from hcl2.utils import SerializationOptions

ROOT = Path(__file__).parents[2] / "terraform"
ENVIRONMENTS = ("dev", "main")
PLAIN = SerializationOptions(with_comments=False, explicit_blocks=False, strip_string_quotes=True)


@cache
def parse(path: Path) -> dict[str, Any]:
    """Parse an HCL file; expressions stay text in the form ``${...}``."""
    return hcl2.loads(path.read_text(), serialization_options=PLAIN)


def variables(environment: str) -> dict[str, Any]:
    """Return the values of environments/ENVIRONMENT.tfvars."""
    return parse(ROOT / "environments" / f"{environment}.tfvars")


def blocks(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield address and body of each block of a kind: resource, ephemeral, data, variable, output."""
    for path in sorted(ROOT.glob("*.tf")):
        for block in parse(path).get(kind, []):
            for label, body in block.items():
                if kind in {"variable", "output"}:
                    yield label, body
                else:
                    yield from ((f"{label}.{name}", inner) for name, inner in body.items())


def resource(address: str) -> dict[str, Any]:
    """Return the body of one resource."""
    return dict(blocks("resource"))[address]


@dataclass(frozen=True)
class Assertion:
    """One assertion of terraform/tests: an assert block, or a run that expects a failure."""

    name: str
    file: Path
    run: str


def assertions() -> Iterator[Assertion]:
    """Yield each assertion of terraform/tests/*.tftest.hcl."""
    for path in sorted(ROOT.glob("tests/*.tftest.hcl")):
        for block in parse(path)["run"]:
            for run, body in block.items():
                if "expect_failures" in body:
                    yield Assertion(run, path, run)
                for check in body.get("assert", []):
                    yield Assertion(check["error_message"], path, run)


def only(path: Path, run: str) -> str:
    """Return a test file's text with one of its runs and without the others."""
    text = path.read_text()
    before = text[: re.search(r"^run ", text, re.MULTILINE).start()]  # type: ignore[union-attr]
    return before + text[slice(*_span(text, f'run "{run}"')[0])]


def replace(directory: Path, header: str, old: str, new: str) -> None:
    """Replace text that occurs once in the blocks with this first line, in the *.tf files of a directory.

    Raises:
        LookupError: the text does not occur, or more than once.
    """
    spans = {path: _span(path.read_text(), header) for path in directory.glob("*.tf")}
    holders = [path for path, found in spans.items() if any(_occurrences(path, span, old) for span in found)]
    if len(holders) != 1:
        raise LookupError(f"{old!r} in {header!r} occurs in {len(holders)} files; it must occur in one.")
    substitute(holders[0], spans[holders[0]], old, new)


def substitute(path: Path, spans: list[tuple[int, int]], old: str, new: str) -> None:
    """Replace text that occurs once in these parts of a file; any white space in `old` matches any other.

    Raises:
        LookupError: the text does not occur, or more than once.
    """
    found = [occurrence for span in spans for occurrence in _occurrences(path, span, old)]
    if len(found) != 1:
        raise LookupError(f"{old!r} occurs {len(found)} times in {path.name}; it must occur once.")
    text = path.read_text()
    path.write_text(text[: found[0][0]] + new + text[found[0][1] :])


def _occurrences(path: Path, span: tuple[int, int], old: str) -> list[tuple[int, int]]:
    pattern = re.compile(r"\s+".join(re.escape(word) for word in old.split()))
    return [match.span() for match in pattern.finditer(path.read_text(), *span)]


def _span(text: str, header: str) -> list[tuple[int, int]]:
    block = re.compile(rf"^{re.escape(header)} {{\n.*?^}}\n", re.MULTILINE | re.DOTALL)
    return [match.span() for match in block.finditer(text)]

"""What a document links to, and each test that a file names, is there."""

import re
from pathlib import Path

from delivery.checkout import ROOT
from tests.repository.sources import sources

LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)#?([^)\s]*)\)")
DOCUMENTS = sources(".md")


def anchors(document: Path) -> set[str]:
    """Those that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_of_documents_lead_somewhere() -> None:
    assert DOCUMENTS
    broken = []
    for document in DOCUMENTS:
        for name, anchor in LINK.findall(document.read_text("utf-8")):
            target = document.parent / name if name else document
            if not target.exists() or (anchor and anchor not in anchors(target)):
                broken.append(f"{document.relative_to(ROOT)}: {name}#{anchor}".removesuffix("#"))
    assert broken == []


def test_tests_that_are_named_are_there() -> None:
    there = {path.name for path in sources(".py", folder="tests")}
    gone = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources(".py", ".md", ".toml", ".yaml", ".yml", ".sql", "Makefile", ".mk", ".go", ".tf")
        for name in re.findall(r"\btest_\w+\.py\b", path.read_text("utf-8"))
        if name not in there
    ]
    assert gone == []

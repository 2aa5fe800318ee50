"""Images are built on what a digest names, where Dependabot sees it."""

import re

from tests.repository.sources import sources

FROM = re.compile(r"^\s*from\s+(?:--\S+\s+)*(\S+)(?:\s+as\s+(\S+))?", re.IGNORECASE | re.MULTILINE)
PINNED = re.compile(r"\S+:[\w.-]+@sha256:[0-9a-f]{64}")
OURS = "${IMAGE}"
"""The argument by which tests/e2e/crashing is built on the image of this checkout."""


def test_images_from_outside_are_pinned() -> None:
    found = {path: path.read_text() for path in sources("Dockerfile")}
    assert len(found) >= 2
    for path, text in found.items():
        stages: set[str] = {OURS, "scratch"}
        for image, name in FROM.findall(text):
            # Dependabot reads no ARG (dependabot-core#2057), so tag and digest stand in the line itself
            assert image in stages or PINNED.fullmatch(image), f"{path} is built on {image}, whose bytes may change"
            stages.add(name or image)

"""Which migrations a release brings, and which of them code that lacks them cannot live with."""

import re
from pathlib import Path

from delivery.checkout import ROOT
from delivery.deploy.release import Record, Release

MARK = re.compile(r"-- old code cannot live with this: *(.+)")


def migrations(root: Path = ROOT) -> dict[str, str | None]:
    """File names of app/postgres/migrations at `root`, each with the reason in its first line if it is marked."""
    found = {}
    for path in sorted((root / "app" / "postgres" / "migrations").glob("*.sql")):
        marked = MARK.match(path.read_text())
        found[path.name] = marked[1].strip() if marked else None
    return found


def barriers(past: list[Record], release: Release) -> list[str]:
    """Sentences, one for each marked migration that a recorded release brought and `release` does not have."""
    marked = {
        name: reason
        for record in past
        for name, reason in record.release.migrations.items()
        if reason and name not in release.migrations
    }
    return [f"Code without migration {name} cannot live with it: {reason}." for name, reason in marked.items()]

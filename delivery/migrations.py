"""The migrations of a checkout, and which of them code that lacks them cannot live with."""

import re
from pathlib import Path

from delivery.checkout import ROOT

FOLDER = Path("app", "postgres", "migrations")
MARK = re.compile(r"-- old code cannot live with this: *(.+)")


def migrations(root: Path = ROOT) -> dict[str, str | None]:
    """File names of app/postgres/migrations at `root`, each with the reason in its first line if it is marked."""
    found = {}
    for path in sorted((root / FOLDER).glob("*.sql")):
        marked = MARK.match(path.read_text("utf-8", errors="replace"))
        found[path.name] = marked[1].strip() if marked else None
    return found

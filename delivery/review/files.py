"""Files of a tree: what is in them, and how a sentence lists them."""

from pathlib import Path

MOST = 5  # in a sentence


def content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def read(path: Path) -> str:
    return (content(path) or b"").decode("utf-8", "replace")


def listed(names: list[str], between: str = ", ", last: str = "") -> str:
    if len(names) > MOST:
        return between.join(names[:MOST]) + f" and {len(names) - MOST} more"
    return between.join(names[:-1]) + (last or between) + names[-1] if len(names) > 1 else names[0]

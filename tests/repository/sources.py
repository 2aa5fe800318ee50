"""The files of the checkout."""

import os
from pathlib import Path

from delivery.checkout import ROOT

MADE = {"build", "dist", "rendered", "__pycache__"}
"""Folders that are made here; the others have names that begin with a dot."""


def sources(*suffixes: str, folder: str = ".") -> list[Path]:
    """The files below a folder of the checkout whose names end in one of some suffixes."""
    found = []
    for parent, folders, names in os.walk(ROOT / folder):
        folders[:] = [each for each in folders if each == ".github" or not (each.startswith(".") or each in MADE)]
        found += [Path(parent, name) for name in names if name.endswith(suffixes)]
    return sorted(found)

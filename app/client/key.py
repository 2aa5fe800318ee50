"""The API key that a client command sends; it may be replaced in its file while the command runs."""

import re
from pathlib import Path

VALID = re.compile(r"[!-~]+")
"""One word of printable ASCII."""


class Key:
    """A key, and the file that it came from."""

    def __init__(self, text: str, file: Path | None = None) -> None:
        self.text = text
        self._file = file
        self.accepted = False
        """Whether the API has accepted it: one that it refuses from the start is wrong, and is not tried again."""

    def reread(self) -> bool:
        """Take over what is in the file now; return whether that is another key.

        A file that is being replaced, or that can be read only once, changes nothing.
        """
        if self._file is None or not self._file.is_file():
            return False
        try:
            text = self._file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return False
        changed = text != self.text and VALID.fullmatch(text) is not None
        if changed:
            self.text = text
        return changed

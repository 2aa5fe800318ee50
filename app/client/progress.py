"""How far a long command is, on standard error, where that is a terminal."""

import sys
import time

EVERY_S = 0.2


class Progress:
    """A line that is written over again; nothing where nobody looks."""

    def __init__(self, what: str, total: int | None) -> None:
        self.shown = sys.stderr is not None and sys.stderr.isatty()
        """Whether there is anybody to tell."""
        self._what = what
        self._of = "" if total is None else f" of {total:,}"
        self._told_at = float("-inf")

    def tell(self, done: int) -> None:
        """Say how many are done, unless that was said a moment ago."""
        if self.shown and time.monotonic() - self._told_at > EVERY_S:
            self._told_at = time.monotonic()
            self._write(done, "")

    def end(self, done: int) -> None:
        """Say how many are done, for the last time."""
        if self.shown:
            self._write(done, "\n")

    def _write(self, done: int, end: str) -> None:
        sys.stderr.write(f"\r\x1b[Ktaskpulse: {done:,}{self._of} {self._what}{end}")
        sys.stderr.flush()

"""The real service, with its longest callback measured."""

import signal
import sys
import time
from pathlib import Path

from app.settings import Settings
from tests.support.service import Service


class WatchedService(Service):
    """`taskpulse serve` by tests/support/watched.py."""

    def __init__(self, settings: Settings, folder: Path, name: str = "watched") -> None:
        self._file = folder / f"{name}.longest"
        command = [sys.executable, "-m", "tests.support.watched", str(self._file), "serve"]
        super().__init__(settings, folder / f"{name}.log", command=command)

    def begin(self) -> None:
        """Forget what the start took."""
        assert self.process is not None
        self._file.write_text("-1")
        self.process.send_signal(signal.SIGUSR2)
        while self._file.read_text() == "-1":
            time.sleep(0.01)

    def longest_ms(self) -> float:
        """Return the longest callback since `begin`, in ms of the event loop thread's processor time."""
        return float(self._file.read_text() or 0) * 1000

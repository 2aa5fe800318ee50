"""`work`, `run` or `watch` in a process of its own."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Self

from tests.support.service import TASKPULSE, Service


class ClientProcess:
    """A client command whose output and messages are kept; a context manager that ends it."""

    def __init__(self, service: Service, folder: Path, url: str | None = None) -> None:
        self._environment = {**os.environ, "TASKPULSE_KEY": service.key, "TASKPULSE_URL": url or service.url}
        self._output, self._errors = folder / "output", folder / "errors"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str) -> None:
        """Start it; what an earlier one wrote is gone."""
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [TASKPULSE, *arguments], env=self._environment, stdout=output, stderr=errors
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def said(self, text: str) -> bool:
        """Return whether this stands in its messages by now."""
        return text in self._errors.read_text()

    def lines(self) -> int:
        """Return how many lines of output there are by now."""
        return self._output.read_bytes().count(b"\n")

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait for the end and return the exit status."""
        assert self.process is not None
        return self.process.wait(60)

    def stop(self, number: signal.Signals) -> int:
        """Send a signal, wait for the end and return the exit status."""
        self.send(number)
        return self.wait()

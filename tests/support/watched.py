"""Runs the service and measures its longest callback: `python -m tests.support.watched FILE serve`.

FILE gets the seconds of processor time that the event loop's thread spent in one callback at the most, and SIGUSR2
begins again. What other work on the machine does counts for nothing.
"""

import contextlib
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop

from app.cli.main import main
from app.http.protocol import Protocol

SCHEDULERS = ("call_soon", "call_soon_threadsafe", "call_later", "call_at", "add_reader", "add_writer")
RECEIVERS = ("connection_made", "data_received", "eof_received", "pause_writing", "resume_writing", "connection_lost")


class Watch:
    """Writes the longest callback to a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._longest_s = 0.0

    def reset(self, *_: object) -> None:
        """Begin again."""
        self._longest_s = 0.0
        self._file.write_text("0")

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return `function`, measured."""

        def run(*arguments: Any) -> Any:
            started = time.thread_time()
            try:
                return function(*arguments)
            finally:
                taken = time.thread_time() - started
                if taken > self._longest_s:
                    self._longest_s = taken
                    self._file.write_text(str(taken))

        return run

    def install(self) -> None:
        """Measure all that uvloop calls."""
        for name in SCHEDULERS:
            setattr(uvloop.Loop, name, self._scheduler(getattr(uvloop.Loop, name), 0 if "soon" in name else 1))
        for name in RECEIVERS:
            setattr(Protocol, name, self.timed(getattr(Protocol, name)))

    def _scheduler(self, original: Callable[..., Any], place: int) -> Callable[..., Any]:
        def schedule(loop: Any, *arguments: Any, **options: Any) -> Any:
            before, callback, after = arguments[:place], arguments[place], arguments[place + 1 :]
            return original(loop, *before, self.timed(callback), *after, **options)

        return schedule


if __name__ == "__main__":
    watch = Watch(Path(sys.argv.pop(1)))
    watch.install()
    signal.signal(signal.SIGUSR2, watch.reset)
    with contextlib.suppress(KeyboardInterrupt):
        main(prog_name="taskpulse")

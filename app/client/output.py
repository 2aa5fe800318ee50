"""Standard output and standard error that never block and never fail: a thread writes what a bounded buffer holds."""

import atexit
import io
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, TextIO

LIMIT = 1 << 20
"""Bytes that wait for a slow reader; what does not fit is dropped."""
STALLED_AFTER_S = 1.0
"""A reader that takes nothing for so long counts as stalled until it takes something again."""
FLUSH_WITHIN_S = 5.0
"""Longest wait at the end of the process for a slow reader; a stalled one is not waited for."""
CHECK_EVERY_S = 0.02
"""Seconds between two looks at whether a slow reader has made room."""
PIECE = 4096
"""Bytes of one write: few, so that a slow reader is seen to make progress."""


def printable(text: str) -> str:
    """Return text without control characters, which a terminal would interpret."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def say(message: str) -> None:
    """Print a message on standard error, if there is one."""
    if sys.stderr is not None:
        sys.stderr.write(_line(message))
        sys.stderr.flush()


def _line(message: str) -> str:
    return f"taskpulse: {printable(message)}\n"


class Output(io.RawIOBase):
    """Writes to a file descriptor from a thread of its own.

    No call waits for the reader, and none fails: the reason of a failed write is in `error`. What is dropped is
    counted, and reported on `reports`, or in its place here, once the descriptor can be written again.
    """

    def __init__(self, descriptor: int, name: str, reports: "Output | None" = None) -> None:
        self._descriptor = descriptor
        self._name = name
        self._reports = reports or self
        self._waiting = bytearray()
        self._changed = threading.Condition(threading.RLock())
        self._dropped = 0
        self._progressed = time.monotonic()
        self._thread: threading.Thread | None = None
        self.error: OSError | None = None
        """Why the last write failed; None after one that succeeded."""
        self.on_error: Callable[[], object] | None = None
        """Called, in the thread, when a write fails; a reader that has gone is then not reported elsewhere."""

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Return whether this is a terminal."""
        return os.isatty(self._descriptor)

    @property
    def behind(self) -> bool:
        """Whether half of the buffer is full, so that whoever fills it should pause."""
        return len(self._waiting) > LIMIT // 2

    @property
    def stalled(self) -> bool:
        """Whether the reader has taken nothing for a while."""
        return bool(self._waiting) and time.monotonic() - self._progressed > STALLED_AFTER_S

    def write(self, data: Any, /) -> int:
        """Queue bytes, or drop them where they do not fit; return their number."""
        piece = bytes(data)
        with self._changed:
            if len(self._waiting) + len(piece) > LIMIT or isinstance(self.error, BrokenPipeError):
                self.drop(len(piece))
            elif piece:
                if self.error is None:
                    self._report_dropped()
                self._queue(piece)
        return len(piece)

    def drop(self, size: int) -> None:
        """Count bytes that are not written."""
        with self._changed:
            if self.on_error and isinstance(self.error, BrokenPipeError):
                return
            if not self._dropped and self._reports is not self:
                reason = self.error.strerror if self.error else "nobody reads it"
                self._reports.write(_line(f"{self._name} is dropped from here on ({reason})").encode())
            self._dropped += size

    def finish(self) -> None:
        """Wait until all is written, but for a stalled reader not at all; report what was dropped."""
        deadline = time.monotonic() + FLUSH_WITHIN_S
        with self._changed:
            if self._reports is self and self.error is None:
                self._report_dropped()
            while self._waiting and not self.stalled and time.monotonic() < deadline:
                self._changed.wait(0.05)
            if not isinstance(self.error, BrokenPipeError) or not self.on_error:
                self._dropped += len(self._waiting)
            if self._reports is not self:
                self._report_dropped()

    def _report_dropped(self) -> None:
        if self._dropped:
            line = _line(f"{self._dropped:,} bytes of {self._name} were dropped").encode()
            self._dropped = 0
            self._reports._queue(line)

    def _queue(self, piece: bytes) -> None:
        with self._changed:
            if not self._waiting:
                self._progressed = time.monotonic()
            self._waiting += piece
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_for_ever, name=self._name, daemon=True)
                self._thread.start()

    def _write_for_ever(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                part = bytes(self._waiting[:PIECE])
            rest, error = self._write(part)
            with self._changed:
                self.error = error
                del self._waiting[: len(part)]
                self._progressed = time.monotonic()
                if error is not None:
                    self.drop(len(rest))
                self._changed.notify_all()
            if error is not None and self.on_error is not None:
                self.on_error()

    def _write(self, part: bytes) -> tuple[bytes, OSError | None]:
        """Write all of `part`, and wait for as long as that takes; return what could not be written, and the error."""
        while part:
            try:
                part = part[os.write(self._descriptor, part) :]
            except BlockingIOError:  # another process has made it non-blocking
                select.select([], [self._descriptor], [])
            except OSError as error:
                return part, error
        return part, None


class Streams(NamedTuple):
    """Where this process, and the command that it runs, write."""

    output: Output
    errors: Output
    closed: bool
    """Whether there is no standard output: what is written to it is lost, and not counted."""


@cache
def streams() -> Streams:
    """Return the streams; from the first call on, all that this process prints goes through them.

    A descriptor that was closed from the start becomes /dev/null: a file or a connection would get its number.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    errors = Output(2, "standard error")
    found = Streams(Output(1, "standard output", errors), errors, sys.stdout is None)
    sys.stdout = _text(sys.stdout, found.output)
    sys.stderr = _text(sys.stderr, found.errors)
    atexit.register(_finish, found)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # writing to a terminal from the background may stop the process
    return found


def _text(replaced: TextIO | None, output: Output) -> TextIO:
    encoding = replaced.encoding if replaced else "utf-8"
    return io.TextIOWrapper(output, encoding, errors="backslashreplace", write_through=True)  # type: ignore[type-var]


def _finish(found: Streams) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the end is near, with the exit status that it has
    found.output.finish()
    found.errors.finish()

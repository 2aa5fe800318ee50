"""Standard streams that misbehave."""

import os
import resource
import subprocess
import threading
from pathlib import Path
from typing import Literal

State = Literal["closed", "full", "blocked", "gone", "fine"]


class Stream:
    """Standard output or standard error of a process, which stops working when `spoil` is called."""

    def __init__(self, state: State, folder: Path, number: int) -> None:
        self.state = state
        self._number = number
        self._file = folder / f"stream {number}"
        self._held: list[int] = []
        self.spoiled = False
        self._taken: list[bytes] = []

    def open(self) -> int:
        """Return the descriptor for the process."""
        if self.state == "closed" or (self.state == "full" and self.spoiled):
            self._writer = os.open("/dev/full", os.O_WRONLY)
        elif self.state == "full":
            self._writer = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        else:
            self._reader, self._writer = os.pipe()
            if self.state == "fine":
                threading.Thread(target=self._take, daemon=True).start()
            else:
                self._held.append(self._reader)
        if self.spoiled and self.state != "full":
            self._spoil(Path(f"/proc/self/fd/{self._writer}"))
        return self._writer

    def spoil(self, process: subprocess.Popen[bytes] | None = None) -> None:
        """Stop working: from the start where there is no process yet."""
        self.spoiled = True
        if process is not None:
            if self.state == "full":  # no file of the process may grow any more
                resource.prlimit(
                    process.pid, resource.RLIMIT_FSIZE, (self._file.stat().st_size, resource.RLIM_INFINITY)
                )
            elif self.state in {"blocked", "gone"}:
                self._spoil(Path(f"/proc/{process.pid}/fd/{self._number}"))

    def _spoil(self, writer: Path) -> None:
        if self.state == "gone":
            os.close(self._held.pop())
        if self.state == "blocked":  # opened again, so that only this description is non-blocking
            filler = os.open(writer, os.O_WRONLY | os.O_NONBLOCK)
            try:
                while True:
                    os.write(filler, b"." * 512)
            except BlockingIOError:
                os.close(filler)

    def release(self) -> None:
        """Close the writer here; the process has its own."""
        os.close(self._writer)

    def _take(self) -> None:
        while taken := os.read(self._reader, 1 << 16):
            self._taken.append(taken)
        os.close(self._reader)

    @property
    def text(self) -> str:
        """What a stream that works has got so far."""
        return b"".join(self._taken).decode()

    def close(self) -> None:
        """Close what this process holds."""
        for descriptor in self._held:
            os.close(descriptor)


def start(
    command: list[str], output: Stream, errors: Stream, environment: dict[str, str], *, stdin: bool = True
) -> subprocess.Popen[bytes]:
    """Start a command with these streams; a closed one is closed by a shell, as only it can."""
    closed = " ".join(
        redirection
        for redirection, wanted in (
            ("<&-", not stdin),
            (">&-", output.state == "closed"),
            ("2>&-", errors.state == "closed"),
        )
        if wanted
    )
    process = subprocess.Popen(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *command],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output.open(),
        stderr=errors.open(),
    )
    output.release()
    errors.release()
    return process

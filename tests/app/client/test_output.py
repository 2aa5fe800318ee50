"""The buffer in front of standard output and standard error."""

import contextlib
import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.client.output import LIMIT, PIECE, Output
from tests.support.waiting import eventually


class Pipe:
    """A pipe whose reader is the test."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self._outputs = list[Output]()

    def output(self, name: str, reports: Output | None = None) -> Output:
        """Return what writes to it."""
        self._outputs.append(Output(self.writer, name, reports))
        return self._outputs[-1]

    def close(self) -> None:
        """Close it, once no thread writes to it any more: its number may become that of another file."""
        self.close_reader()
        for output in self._outputs:
            eventually(lambda output=output: not output._waiting)  # type: ignore[misc]
        os.close(self.writer)

    def close_reader(self) -> None:
        """Go away."""
        with contextlib.suppress(OSError):
            os.close(self.reader)
        self.reader = -1

    def take(self, size: int) -> bytes:
        """Read exactly so many bytes."""
        taken = b""
        while len(taken) < size:
            taken += os.read(self.reader, size - len(taken))
        return taken

    def is_empty(self) -> bool:
        """Return whether there is nothing to read now."""
        return select.select([self.reader], [], [], 0)[0] == []


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


def test_it_works(pipe: Pipe) -> None:
    output = pipe.output("standard output")
    output.write(b"one\n")
    output.write(b"two\n")
    output.finish()
    assert pipe.take(8) == b"one\ntwo\n"


def test_nothing_waits_for_a_reader_and_what_is_dropped_is_counted(pipe: Pipe, tmp_path: Path) -> None:
    with (tmp_path / "errors").open("wb") as file:
        errors = Output(file.fileno(), "standard error")
        output = pipe.output("standard output", errors)
        written = 0
        while written < 2 * LIMIT:
            written += output.write(b"x" * PIECE)
        eventually(lambda: output.stalled)
        output.finish()
        errors.finish()
    said = (tmp_path / "errors").read_text().splitlines()
    lost = [int(line.split()[1].replace(",", "")) for line in said if "bytes of standard output were dropped" in line]
    assert said[0] == "taskpulse: standard output is dropped from here on (nobody reads it)"
    assert sum(lost) == written - 64 * 1024 or LIMIT <= sum(lost) <= written  # the pipe's own size is the kernel's


def test_a_reader_that_returns_gets_what_waits_and_learns_of_the_gap(pipe: Pipe) -> None:
    output = pipe.output("standard error")
    taken = 0
    while output.write(b"x" * PIECE) and not output._dropped:
        taken += PIECE
    pipe.take(taken)
    eventually(lambda: not output._waiting)
    output.write(b"on\n")
    output.finish()
    gap = f"taskpulse: {PIECE:,} bytes of standard error were dropped\n"
    assert pipe.take(len(gap) + 3).decode() == gap + "on\n"
    assert pipe.is_empty()


def test_a_closed_pipe_is_no_failure(pipe: Pipe) -> None:
    pipe.close_reader()
    assert_no_failure(pipe.output("standard error"), BrokenPipeError)


def test_a_full_disk_is_no_failure() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    assert_no_failure(Output(full, "standard error"), OSError)
    os.close(full)


def assert_no_failure(output: Output, error: type[OSError]) -> None:
    assert output.write(b"lost\n") == 5
    eventually(lambda: output.error)
    assert isinstance(output.error, error)
    assert output.write(b"lost too\n") == 9
    output.finish()
    assert not output._waiting


def test_a_disk_with_room_again_takes_what_comes_then(tmp_path: Path) -> None:
    full, log = os.open("/dev/full", os.O_WRONLY), tmp_path / "log"
    output = Output(full, "standard error")
    output.write(b"lost\n")
    eventually(lambda: output.error)
    log.touch()
    later = os.open(log, os.O_WRONLY)
    os.dup2(later, full)
    output.write(b"kept\n")
    eventually(lambda: output.error is None)
    output.write(b"kept too\n")
    output.finish()
    assert log.read_text() == "kept\ntaskpulse: 5 bytes of standard error were dropped\nkept too\n"
    os.close(later)
    os.close(full)
